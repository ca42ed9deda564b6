"""Plain NumPy: likelihoods, hidden states and ways of sampling."""

import numpy as np


def _logsumexp(x, axis):
    top = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.sum(np.exp(x - top), axis=axis))


def _log_normal(x, mean, log_sd):
    return -0.5 * ((x - mean) / np.exp(log_sd)) ** 2 - log_sd - 0.5 * np.log(2 * np.pi)


def mixture_by_gradient(p, x):
    """A mixture of normal distributions, by its likelihood."""
    log_shares = p["logits"] - _logsumexp(p["logits"], 0)
    return -np.mean(_logsumexp(log_shares + _log_normal(x[:, None], p["means"], p["log_sds"]), 1))


def mixture_by_em(means, x, turns=5):
    """The likelihood that turns of expectation and maximisation reach, by where they begin."""
    shares, sds = np.full(2, 0.5), np.ones(2)
    for _ in range(turns):
        density = shares * np.exp(-0.5 * ((x[:, None] - means) / sds) ** 2) / sds
        belongs = density / np.sum(density, axis=1, keepdims=True)
        weight = np.sum(belongs, axis=0)
        means = belongs.T @ x / weight
        sds = np.sqrt(np.sum(belongs * (x[:, None] - means) ** 2, axis=0) / weight) + 1e-3
        shares = weight / len(x)
    return -np.mean(np.log(np.sum(shares * np.exp(-0.5 * ((x[:, None] - means) / sds) ** 2) / sds, axis=1)))


def gaussian_process(logs, x, y):
    """The marginal likelihood of a Gaussian process, by Cholesky's factor."""
    length, height, noise = np.exp(logs)
    K = height**2 * np.exp(-0.5 * ((x[:, None] - x) / length) ** 2) + noise**2 * np.eye(len(x))
    L = np.linalg.cholesky(K)
    z = np.linalg.solve(L, y)
    return 0.5 * z @ z + np.sum(np.log(np.diagonal(L))) + 0.5 * len(x) * np.log(2 * np.pi)


def cox_survival(w, X, times, died):
    """Cox's partial likelihood: who dies next among those who still live."""
    order = np.argsort(-times)
    risk = (X @ w)[order]
    alive = np.log(np.cumsum(np.exp(risk)))
    return -np.sum(died[order] * (risk - alive))


def weibull_survival(logs, times, died):
    """Weibull's lifetimes, some of which had not ended."""
    shape, scale = np.exp(logs)
    z = times / scale
    return np.sum(z**shape) - np.sum(died * (np.log(shape / scale) + (shape - 1) * np.log(z)))


def hidden_markov(p, signal):
    """The likelihood of a chain of hidden states, by the forward recursion in logarithms."""
    moves = p["moves"] - _logsumexp(p["moves"], 1)[:, None]
    emit = _log_normal(signal[:, None], p["means"], p["log_sd"])
    ahead = emit[0] - np.log(2.0)
    for t in range(1, len(signal)):
        ahead = _logsumexp(ahead[:, None] + moves, 0) + emit[t]
    return -_logsumexp(ahead, 0)


def kalman_filter(logs, seen):
    """The likelihood of a path with a velocity, from noisy places."""
    drift, noise = np.exp(logs)
    step, look = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    x, P, loss = np.zeros(2), 10.0 * np.eye(2), 0.0
    for z in seen:
        x, P = step @ x, step @ P @ step.T + drift**2 * np.eye(2)
        S = look @ P @ look.T + noise**2
        gain = P @ look.T @ np.linalg.inv(S)
        miss = z - look @ x
        loss = loss + 0.5 * np.sum(miss**2 / S[0] + np.log(S[0]))
        x, P = x + gain @ miss, P - gain @ look @ P
    return loss


def stochastic_volatility(p, returns):
    """Log-volatilities that wander, and returns of that spread: the joint density."""
    h, keep = p["h"], np.tanh(p["keep"])
    wander = _log_normal(h[1:], keep * h[:-1], p["log_sd"])
    return -(
        np.sum(_log_normal(returns, 0.0, 0.5 * h))
        + np.sum(wander)
        + _log_normal(h[0], 0.0, 0.0)
        + _log_normal(p["log_sd"], -1.0, -2.0)
    )


def hamiltonian_sampling(p, start, kicks, steps=6):
    """How much energy leapfrog steps lose on a banana-shaped density, by step length and mass."""
    length, mass = 0.15 / (1.0 + np.exp(-p["step"])), np.exp(np.tanh(p["mass"]))

    def slope(q):
        bend = q[:, 1] - q[:, 0] ** 2
        return np.stack([q[:, 0] - 4.0 * q[:, 0] * bend, 2.0 * bend], axis=1)

    def energy(q, v):
        return 0.5 * q[:, 0] ** 2 + (q[:, 1] - q[:, 0] ** 2) ** 2 + 0.5 * np.sum(v**2 / mass, axis=1)

    q, v = start, kicks * np.sqrt(mass)
    before = energy(q, v)
    for _ in range(steps):
        v = v - 0.5 * length * slope(q)
        q = q + length * v / mass
        v = v - 0.5 * length * slope(q)
    return np.mean(np.log1p((energy(q, v) - before) ** 2)) - 0.01 * np.log(length)


def upper_confidence(place, x, y):
    """Where to try next: a Gaussian process's mean and doubt at one place, to be made small."""
    K = np.exp(-0.5 * (x[:, None] - x) ** 2) + 1e-4 * np.eye(len(x))
    k = np.exp(-0.5 * (x - place) ** 2)
    weights = np.linalg.solve(K, k)
    return weights @ y - 1.5 * np.sqrt(1.0 - weights @ k)
