"""Mackey-Glass against the closed form of its first delay, SciPy's method of steps and its order of convergence."""

import numpy as np
import pytest

from lamina.core.errors import BadInput
from lamina.tasks.mackey_glass import mackey_glass, nrmse


def test_within_the_first_delay_it_decays_to_a_constant():
    found = mackey_glass(18, start=1.2)[0]
    goal = 2 * 1.2 / (1 + 1.2**10)
    assert np.allclose(found, goal + (1.2 - goal) * np.exp(-0.1 * np.arange(18)), rtol=0, atol=1e-9)


def test_it_is_what_the_method_of_steps_gives():
    solve = pytest.importorskip("scipy.integrate").solve_ivp
    tau, pieces = 17.0, []

    def delayed(t):
        return 1.2 if t <= tau else pieces[int((t - 1e-12) // tau) - 1](t - tau)[0]

    x = 1.2
    for piece in range(6):
        span = (piece * tau, (piece + 1) * tau)
        made = solve(
            lambda t, x: 0.2 * delayed(t) / (1 + delayed(t) ** 10) - 0.1 * x,
            span,
            [x],
            rtol=1e-10,
            atol=1e-12,
            dense_output=True,
            max_step=1.0,
        )
        pieces.append(made.sol)
        x = made.y[0, -1]
    wanted = [1.2] + [pieces[int((t - 1e-12) // tau)](t)[0] for t in range(1, 102)]
    assert np.allclose(mackey_glass(102)[0], wanted, rtol=0, atol=2e-6)


def test_the_error_falls_with_the_fourth_power_of_the_grid():
    finest = mackey_glass(80, per_unit=80)[0]
    coarse, fine = (np.abs(mackey_glass(80, per_unit=k)[0] - finest).max() for k in (5, 10))
    assert 10 < coarse / fine < 30


def test_series_follow_from_the_seed_and_washout_is_a_later_start():
    made = mackey_glass(50, count=3, seed=4)
    assert made.shape == (3, 50)
    assert np.array_equal(made, mackey_glass(50, count=3, seed=4))
    assert not np.allclose(made[0], made[1])
    assert np.array_equal(mackey_glass(20, washout=30), mackey_glass(50)[:, 30:])
    long = mackey_glass(1500, washout=200)
    assert 0.2 < long.min() < long.max() < 1.6
    assert long.std() > 0.15


def test_nrmse_of_the_mean_is_one():
    wanted = np.random.default_rng(0).normal(2, 3, 200)
    assert nrmse(np.full(200, wanted.mean()), wanted) == pytest.approx(1)
    assert nrmse(wanted, wanted) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mackey_glass(0), "steps 0"),
        (lambda: mackey_glass(5, tau=17.05), "tau 17.05"),
        (lambda: mackey_glass(5, start=float("nan")), "start nan"),
        (lambda: nrmse(np.zeros(3), np.ones(3)), "all values wanted are equal"),
        (lambda: nrmse(np.zeros(3), np.ones(4)), "equal shapes"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()
