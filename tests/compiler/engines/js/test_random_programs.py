"""Random programs as JavaScript: every node beside NumPy, the gradients of a step beside eager mode."""

import os

import pytest
from hypothesis import HealthCheck, given, seed, settings
from tests.compiler.engines.js.node import calls, needs_node
from tests.compiler.test_programs import agree_if_stable, programs, run, training, unit_of

import clearprop

PROGRAMS = int(os.environ.get("CLEARPROP_PROGRAMS", "60"))
PORTION = 15
quietly = pytest.mark.filterwarnings("ignore::RuntimeWarning")
drawn = settings(
    max_examples=PORTION,
    deadline=None,
    database=None,
    suppress_health_check=[*HealthCheck],
)


@needs_node
@quietly
@pytest.mark.parametrize("portion", range(-(-PROGRAMS // PORTION)))
def test_every_node_is_as_numpy_has_it(portion, tmp_path):
    @seed(portion)
    @drawn
    @given(program=programs())
    def check(program):
        inputs, steps = program
        step = clearprop.compile(lambda *xs: run(steps, xs)[len(inputs) :], executor="numpy", prove="never")
        wanted = run(steps, inputs)
        step(*inputs)
        ((error, got, _),) = calls(step.javascript(), tmp_path, [inputs])
        labels = [f"node {k}: {name} of {steps}" for k, (name, _, _) in enumerate(steps)]

        assert not error, labels
        agree_if_stable(
            got,
            wanted[len(inputs) :],
            labels,
            unit_of(wanted),
            lambda n: run(steps, inputs, n)[len(inputs) :],
        )

    check()


@needs_node
@quietly
@pytest.mark.parametrize("portion", range(-(-PROGRAMS // PORTION)))
def test_gradients_are_those_of_eager_mode(portion, tmp_path):
    @seed(1000 + portion)
    @drawn
    @given(program=programs())
    def check(program):
        inputs, steps = program
        leaves, step = training(program)

        def eager(noise=None):
            return [step(*inputs, noise=noise).value, *(leaf.grad for leaf in leaves)]

        compiled = clearprop.compile(step, executor="numpy", prove="never")
        compiled(*inputs)
        ((error, (loss,), states),) = calls(compiled.javascript(), tmp_path, [inputs])
        named = dict(zip([s.name for s in _states(compiled)], states, strict=True))
        found = [loss, *(named.get(f"{leaf.name}.grad", leaf.grad) for leaf in leaves)]

        assert not error
        agree_if_stable(found, eager(), [str(steps)] * len(found), unit_of(run(steps, inputs), 8), eager)

    check()


def _states(compiled):
    from clearprop.compiler.engines.js import JavaScript

    return JavaScript(compiled.latest.recording.program).states
