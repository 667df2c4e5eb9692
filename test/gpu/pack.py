#!/usr/bin/env python3
"""Packs what a machine with a GPU needs to check and measure programs: the
programs, the runtime with what it links to, weights.

    run.sh pack [--bin build/bin] [--arch sm_90] [--torch-python PYTHON] [-o build/gpu.tar.xz] [CASE-PATTERN ...]

CASE-PATTERN selects programs by shell pattern ("gpt2*"). The Llama of 1.2B that
speed is measured with is exported here: it needs a Python with torch and
transformers, and is left out without. The runtime is built without oneDNN, as
nothing of it runs on the CPU; Open MPI comes along for ranks that share a GPU.
The machine must have this one's processor and no older C library.
"""

import argparse
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile

from cases import PARITY_CASES, ROOT, ParityCase, speed_cases

MPI = "/usr/lib/x86_64-linux-gnu/openmpi"


def run(*command, **settings):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **settings)
    if done.returncode:
        sys.exit(f"pack: {' '.join(command)}\n{done.stdout}")
    return done.stdout


def pack_parity(args, folder, name):
    """The program, and its model's weights as they are before the first step."""
    case = ParityCase(args.bin, folder, *name)
    os.makedirs(case.folder)
    case.compile_args = ["--target", "cuda", "--gpu-arch", args.arch]
    status, output = case.compile(case.entry, case.golden, case.world, case.batch())
    if status:
        sys.exit(f"pack: {case.name}: {output}")
    weights = os.path.join(folder, "weights", case.entry["model"], "weights.safetensors")
    if os.path.exists(weights):
        return
    os.makedirs(os.path.dirname(weights))
    given = os.path.join(case.models, case.entry["model"], "weights.safetensors")
    if os.path.exists(given):
        shutil.copy(given, weights)
        return
    case.compile_args = []
    case.folder = os.path.join(folder, "cpu")
    os.makedirs(case.folder)
    status, output = case.compile(case.entry, case.golden, 1, 1)
    if status:
        sys.exit(f"pack: {case.name}: {output}")
    run(os.path.join(args.bin, "fsdp-run"), case.program, "--save", weights)
    shutil.rmtree(case.folder)


def pack_speed(args, folder, case):
    program = os.path.join(folder, "programs", case.name, "program.fsdp")
    os.makedirs(os.path.dirname(program))
    run(*case.command(os.path.join(args.bin, "fsdp-compile"), program), "--target", "cuda", "--gpu-arch", args.arch)


def linked(file):
    """The libraries that a file is linked to, those of the C library left out."""
    found = re.findall(r"=> (/\S+)", run("ldd", file))
    return [path for path in found if not re.match(r"(libc|libm|ld-linux.*|libgcc_s|libstdc\+\+)\.", os.path.basename(path))]


def build_runtime(build):
    """libfsdprt, and what is run of it, for where nothing is computed on the CPU."""
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    run("cmake", "-S", os.path.join(ROOT, "runtime"), "-B", build, "-G", "Ninja", "-DFSDPRT_ONEDNN=OFF", *launcher)
    run("ninja", "-C", build, "fsdp-run", "nccl-alone")
    programs = os.path.join(build, "fsdp-run", "fsdp-run"), os.path.join(build, "test-gpu", "nccl-alone")
    return os.path.join(build, "libfsdprt.so"), programs


def pack_runtime(folder, library, programs):
    """In lib and bin, without symbols."""
    for name, files in ("lib", [library]), ("bin", programs):
        place = os.path.join(folder, name)
        os.makedirs(place)
        for file in files:
            run("strip", shutil.copy(file, place))


def pack_mpi(folder, libfsdprt):
    """Open MPI, and what it and `libfsdprt` link to."""
    libraries, programs = os.path.join(folder, "lib"), os.path.join(folder, "bin")
    plugins = os.path.join(folder, "usr", "lib", "x86_64-linux-gnu", "openmpi")
    shutil.copytree(MPI, plugins, ignore=shutil.ignore_patterns("include", "fortran", "*.a", "*.la", "*java*", "*.mod"))
    shutil.copytree("/usr/share/openmpi", os.path.join(folder, "usr", "share", "openmpi"))
    shutil.copytree("/etc/openmpi", os.path.join(folder, "etc", "openmpi"))
    for program in "orterun", "orted":
        shutil.copy(os.path.join("/usr/bin", program), programs)
    os.symlink("orterun", os.path.join(programs, "mpirun"))
    needed = [os.path.join(root, file) for root, _, files in os.walk(MPI) for file in files if ".so" in file]
    for file in [libfsdprt, "/usr/bin/orterun", "/usr/bin/orted", *needed]:
        for library in linked(file):
            shutil.copy(library, libraries)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"), help="folder of fsdp-compile and fsdp-run")
    parser.add_argument("--arch", default="sm_90", help="fsdp-compile's --gpu-arch")
    parser.add_argument("--torch-python", help="a Python with torch and transformers")
    parser.add_argument("--runtime", metavar="BUILD", help="a build to take fsdp-run from, with this machine's MPI and "
                        "libraries: to try the pack here")
    parser.add_argument("-o", "--output", default=os.path.join(ROOT, "build", "gpu.tar.xz"))
    parser.add_argument("patterns", nargs="*", default=["*"], help="shell patterns of programs' names")
    args = parser.parse_args()
    for name in [os.path.join(args.bin, "fsdp-compile"), *filter(None, [args.torch_python])]:
        if not shutil.which(name):
            sys.exit(f"pack: there is no program '{name}'")

    def selected(name):
        return any(fnmatch.fnmatch(name, pattern) for pattern in args.patterns)

    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, "gpu")
        for name in PARITY_CASES:
            if selected("-".join(map(str, name))):
                print("-".join(map(str, name)), flush=True)
                pack_parity(args, folder, name)
        models = os.path.join(work, "models")
        for case in filter(lambda case: selected(case.name), speed_cases(models)):
            if case.model.startswith(models):
                if not args.torch_python:
                    print(f"{case.name}: left out, there is no --torch-python to export it with")
                    continue
                run(args.torch_python, os.path.join(ROOT, "test", "bench", "export_llama.py"), models, "llama3.2-1b")
            print(case.name, flush=True)
            pack_speed(args, folder, case)
        if not os.path.exists(folder):
            sys.exit("pack: no program has such a name")
        if args.runtime:
            programs = [os.path.join(args.runtime, "bin", name) for name in ("fsdp-run", "nccl-alone")]
            pack_runtime(folder, os.path.join(args.runtime, "lib", "libfsdprt.so"), programs)
        else:
            library, programs = build_runtime(os.path.join(work, "build"))
            pack_runtime(folder, library, programs)
            pack_mpi(folder, library)
        partial = args.output + ".partial"
        run("tar", "-cJf", partial, "-C", work, "gpu", env=dict(os.environ, XZ_OPT="-T0 -6"))
        os.replace(partial, args.output)
    print(f"{args.output}: {os.path.getsize(args.output) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
