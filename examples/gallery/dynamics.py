"""Plain NumPy: what moves in time."""

import numpy as np


def runge_kutta(logs, seen):
    """Hares and lynxes by four evaluations a step, against what was counted."""
    a, b, c, d = np.exp(logs)

    def slope(y):
        return np.stack([a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - c * y[1]])

    y, miss = seen[0], 0.0
    for target in seen[1:]:
        k1 = slope(y)
        k2 = slope(y + 0.05 * k1)
        k3 = slope(y + 0.05 * k2)
        y = y + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + 0.1 * k3))
        miss = miss + np.sum((y - target) ** 2)
    return miss


def adaptive_steps(stiffness, end=2.0, tolerance=1e-4):
    """A stiff decay by Heun's steps, as long as the error allows."""
    t, h, y = 0.0, 0.1, 1.0

    def slope(t, y):
        return -stiffness * (y - np.cos(t))

    while t < end:
        h = min(h, end - t)
        k1 = slope(t, y)
        k2 = slope(t + h, y + h * k1)
        error = abs(0.5 * h * (k2 - k1))
        if error < tolerance:
            t, y = t + h, y + 0.5 * h * (k1 + k2)
        h = h * min(2.0, max(0.3, 0.9 * (tolerance / (error + 1e-12)) ** 0.5))
    return (y - 0.5) ** 2


def n_body(velocities, places, masses, steps=10):
    """Where gravity takes bodies by leapfrog steps, and how far from home they end."""

    def pull(x):
        between = x[None] - x[:, None]
        distance = np.sqrt(np.sum(between**2, axis=-1) + 0.01)
        return np.sum(masses[:, None] * between / distance[..., None] ** 3, axis=1)

    x, v = places, velocities
    for _ in range(steps):
        v = v + 0.025 * pull(x)
        x = x + 0.05 * v
        v = v + 0.025 * pull(x)
    return np.sum((x - places) ** 2)


def potential_energy(places):
    """Seven atoms that attract and repel each other: Lennard and Jones."""
    i, j = np.triu_indices(len(places), 1)
    r6 = 1.0 / np.sum((places[i] - places[j]) ** 2, axis=1) ** 3
    return 4.0 * np.sum(r6**2 - r6)


def neural_ode(p, start, target, steps=8):
    """A little network as the velocity of points that are to reach others."""
    x = start
    for _ in range(steps):
        x = x + np.tanh(x @ p["w1"] + p["b1"]) @ p["w2"] / steps
    return np.mean((x - target) ** 2)


def heat_source(source, seen, steps=20):
    """Where heat came from, by what an implicit scheme makes of it on a ring."""
    n = len(source)
    A = np.eye(n) * 1.4 - 0.2 * (np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0))
    u = np.zeros(n)
    for _ in range(steps):
        u = np.linalg.solve(A, u + 0.1 * source)
    return np.sum((u - seen) ** 2) + 1e-4 * np.sum(source**2)


def kepler_orbit(p, anomaly, seen):
    """Kepler's equation by Newton's method, against the distances that were seen."""
    e = 1.0 / (1.0 + np.exp(-p["logit_e"]))
    E = anomaly + e * np.sin(anomaly)
    for _ in range(6):
        E = E - (E - e * np.sin(E) - anomaly) / (1.0 - e * np.cos(E))
    return np.sum((p["size"] * (1.0 - e * np.cos(E)) - seen) ** 2)


def fixed_point(p, x, target):
    """A network whose layer is repeated until nothing changes: one more turn from the rest carries the gradient."""

    def turn(z):
        return np.tanh(z @ p["w"] + x)

    z = np.zeros_like(target)
    for _ in range(30):
        z = turn(z)
    return np.mean((z - target) ** 2)


def epidemic(logs, ill):
    """Susceptible, infected, recovered, day by day, against reported cases."""
    contact, recovery = np.exp(logs)
    s, i, loss = 0.99, 0.01, 0.0
    for seen in ill:
        new = contact * s * i
        s, i = s - new, i + new - recovery * i
        loss = loss + (np.log(i) - np.log(seen)) ** 2
    return loss
