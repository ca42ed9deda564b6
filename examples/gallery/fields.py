"""Plain NumPy: econometrics, chemistry, optics, registration, geodesy, filters, phylogeny, control and others."""

import numpy as np


def dynamic_panel(p, y, x):
    """Econometrics: two-step moments of a panel that remembers, with instruments of two years before."""
    slope, memory = p
    dy, dx = np.diff(y, axis=1), np.diff(x, axis=1)
    residual = dy[:, 2:] - memory * dy[:, 1:-1] - slope * dx[:, 2:]
    instruments = np.stack([y[:, 1:-2], dx[:, 2:], np.ones_like(residual)], axis=-1)
    moments = np.einsum("it,itk->ik", residual, instruments) / residual.shape[1]
    mean = moments.mean(axis=0)
    weight = np.linalg.inv(np.cov(moments.T) + 1e-6 * np.eye(3))
    return mean @ weight @ mean


def reaction_chain(p, times, seen):
    """Chemistry: A to B to C, the second step reversible; concentrations by the exponential of their matrix."""
    k1, k2, back = np.exp(p)
    zero = 0.0 * k1
    rates = np.stack([np.stack([-k1, zero, zero]), np.stack([k1, -k2, back]), np.stack([zero, k2, -back])])
    w, v = np.linalg.eig(rates)
    start = np.linalg.solve(v, np.array([1.0, 0.0, 0.0]) + 0.0 * w)
    curves = np.real((v * start) @ np.exp(np.outer(w, times)))
    return np.sum((curves - seen) ** 2)


def lens_design(p, heights, thickness, index, focus):
    """Optics: rays bent by Snell's law at two spherical faces, to meet at the focus."""
    y, angle, z, before = heights, np.zeros_like(heights), -1.0, 1.0
    for curvature, place, behind in zip(p, (0.0, thickness), (index, 1.0), strict=True):
        y = y + (place - z) * np.tan(angle)
        sag = curvature * y**2 / (1.0 + np.sqrt(np.maximum(1.0 - (curvature * y) ** 2, 1e-9)))
        y = y + sag * np.tan(angle)
        normal = np.arcsin(np.clip(curvature * y, -0.99, 0.99))
        inside = np.arcsin(np.clip(before / behind * np.sin(angle + normal), -0.99, 0.99))
        angle, z, before = inside - normal, place + sag, behind
    landing = y + (focus - z) * np.tan(angle)
    return np.mean(landing**2)


def registration(p, moving, still):
    """Images: turn, stretch and shift by bilinear reading until two pictures agree."""
    n, m = still.shape
    rows, columns = np.meshgrid(np.arange(n) - n / 2, np.arange(m) - m / 2, indexing="ij")
    c, s = np.cos(p["angle"]), np.sin(p["angle"])
    y = np.exp(p["zoom"]) * (c * rows - s * columns) + p["shift"][0] + n / 2
    x = np.exp(p["zoom"]) * (s * rows + c * columns) + p["shift"][1] + m / 2
    y, x = np.clip(y, 0, n - 1.001), np.clip(x, 0, m - 1.001)
    i, j = np.floor(y).astype(int), np.floor(x).astype(int)
    dy, dx = y - i, x - j
    read = (
        moving[i, j] * (1 - dy) * (1 - dx)
        + moving[i + 1, j] * dy * (1 - dx)
        + moving[i, j + 1] * (1 - dy) * dx
        + moving[i + 1, j + 1] * dy * dx
    )
    return np.mean((read - still) ** 2)


def risk_parity(z, cover):
    """Finance: shares of which each adds the same to the risk."""
    w = np.exp(z - z.max())
    w = w / w.sum()
    added = w * (cover @ w) / (w @ cover @ w)
    return np.sum((added - 1.0 / len(w)) ** 2)


def triangulation(p, stations, distances, bearings):
    """Geodesy: a place on the sphere from great-circle distances and bearings."""
    lat, lon = p
    lat0, lon0 = stations.T
    half = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    away = 2 * np.arctan2(np.sqrt(half), np.sqrt(1 - half))
    bearing = np.arctan2(
        np.sin(lon - lon0) * np.cos(lat),
        np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon - lon0),
    )
    turn = np.mod(bearing - bearings + np.pi, 2 * np.pi) - np.pi
    return np.sum((away - distances) ** 2) + np.sum(turn**2)


def filter_design(p, wanted):
    """Audio: two sections of second order whose gain follows a curve, poles kept inside the circle."""
    w = np.linspace(0, np.pi, len(wanted))
    delay = np.exp(-1j * w)
    response = np.exp(p["gain"]) * np.ones_like(delay)
    for radius, angle, zero in zip(p["radius"], p["angle"], p["zero"], strict=True):
        r = 0.98 / (1 + np.exp(-radius))
        pole = 1 - 2 * r * np.cos(angle) * delay + r**2 * delay**2
        response = response * (1 + zero * delay + delay**2) / pole
    decibel = 20 * np.log10(np.abs(response) + 1e-3)
    return np.mean((decibel - wanted) ** 2)


def phylogeny(p, leaves):
    """Phylogeny: the likelihood of four sequences on a tree, by Felsenstein's pruning (Jukes and Cantor)."""
    lengths = np.exp(p)

    def moved(seen, length):
        stay = np.exp(-4.0 / 3.0 * length)
        return stay * seen + (1.0 - stay) / 4.0 * seen.sum(axis=-1, keepdims=True)

    tips = np.eye(4)[leaves]
    left = moved(tips[0], lengths[0]) * moved(tips[1], lengths[1])
    right = moved(tips[2], lengths[2]) * moved(tips[3], lengths[3])
    root = moved(left, lengths[4]) * right
    return -np.sum(np.log(root.mean(axis=-1)))


def regulator(p, push, noise_steps=30):
    """Control: what a pendulum costs under the gain of Riccati's iteration, by the weights it was made from."""
    dt = 0.1
    a = np.array([[1.0, dt], [dt * 9.81, 1.0]])
    b = np.array([[0.0], [dt]])
    q, r = np.diag(np.exp(p[:2])), np.exp(p[2]) * np.eye(1)
    x = q
    for _ in range(60):
        gain = np.linalg.solve(r + b.T @ x @ b, b.T @ x @ a)
        x = q + a.T @ x @ (a - b @ gain)
    state, cost = push, 0.0
    for _ in range(noise_steps):
        force = -gain @ state
        cost = (
            cost + state @ state + 0.01 * force @ force + 0.05 * np.logaddexp(0.0, np.abs(force).sum() - 4.0)
        )
        state = a @ state + b @ force
    return cost * dt


def seasonal_outbreak(p, weeks, reported):
    """Epidemiology: a contagion with seasons by Runge and Kutta's steps, against counts with a spread of their own."""
    contact, swing, spread = np.exp(p["contact"]), np.tanh(p["swing"]), np.exp(p["spread"])

    def slope(t, y):
        new = contact * (1 + swing * np.cos(2 * np.pi * t / 26)) * y[0] * y[1]
        return np.stack([0.02 - new - 0.02 * y[0], new - 0.7 * y[1], new])

    y, seen = np.array([0.7, 0.01, 0.0]), []
    for t in weeks:
        before = y[2]
        for k in range(2):
            k1 = slope(t + k / 2, y)
            k2 = slope(t + k / 2 + 0.25, y + 0.25 * k1)
            y = y + 0.5 * k2
        seen.append(y[2] - before)
    expected = 1e3 * np.stack(seen)
    variance = expected + expected**2 / spread
    return np.mean(0.5 * np.log(variance) + 0.5 * (reported - expected) ** 2 / variance)
