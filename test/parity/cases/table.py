"""The cases: small models, each with one thing that once went wrong, and its
relatives. Kinds are told apart by the comments, and listed in README.md.
"""

import files
import losses
import modules
from bodies import BODIES, ONLY_RAW, REFUSED_BODIES, Small
from models import Model

VOCAB, SEQ = 131, 16
RAW, LEGACY = ("dynamo18-dyn-raw", "dynamo23-dyn-raw"), ("legacy17", "legacy17-nofold")


def case(build, **settings):
    return Model(build, VOCAB, SEQ, batch=2, **settings)


def refusal(reason, names, option):
    return dict(refused=reason, names=names, option=option)


def cases():
    found = {}
    for name, f in BODIES.items():
        found[name] = case(lambda f=f: Small(*f), variants=RAW if name in ONLY_RAW else ())
    for name, (body, *why) in REFUSED_BODIES.items():
        found[name] = case(lambda body=body: Small(*body), **refusal(*why))
    for name, (build, settings) in modules.MODULES.items():
        found[name] = case(build, **settings)
    for name, (build, *why) in modules.REFUSED.items():
        found[name] = case(build, **refusal(*why))
    for name, (build, *why) in losses.LOSSES.items():
        found[name] = case(build, loss_inside=True, **(refusal(*why) if why else {}))
    for name, (build, write, variants, settings) in files.FILES.items():
        found[name] = case(build, write=write, variants=variants, **settings)
    for name, build in modules.LEGACY.items():
        found[name] = case(build, variants=LEGACY)
    for name, build in modules.LEGACY_STATIC.items():
        found[name] = case(build, variants=tuple(f"{variant}-static" for variant in LEGACY))
    return found


TABLE = cases()
