# Configuration of the compiler's tests; lit.site.cfg.py sets the paths.
import os

import lit.formats

config.name = "fsdp-opt"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["parity", "runtime", "seeds"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.build_root, "test", "lit")
config.environment["PATH"] = os.pathsep.join(
    [config.tools_dir, config.llvm_tools_dir, config.environment.get("PATH", "")]
)
config.substitutions += [
    ("%python", config.python),
    ("%fixtures", os.path.join(config.test_source_root, "parity", "fixtures")),
    ("%refused", f"{config.python} {config.test_source_root}/import/make_refused.py"),
    ("%make", f"{config.python} {config.test_source_root}/import/make_model.py"),
]
