"""Plain NumPy: waves, pictures, sequences, networks of tensors."""

import numpy as np


def spectral_loss(p, t, seen):
    """A chirp found by its spectrum alone, so that its phase does not matter."""
    wave = p["height"] * np.sin(2 * np.pi * (p["rate"] * t + 0.5 * p["sweep"] * t**2))
    return np.mean((np.abs(np.fft.rfft(wave)) - np.abs(np.fft.rfft(seen))) ** 2)


def deblurring(sharp, kernel, blurred):
    """A row of pixels behind a blur, kept from ringing."""
    return np.sum((np.convolve(sharp, kernel, mode="same") - blurred) ** 2) + 1e-2 * np.sum(
        np.sqrt(np.diff(sharp) ** 2 + 1e-3)
    )


def blurred_picture(picture, kernel, seen):
    """A picture blurred by rows and columns: convolution by the Fourier transform."""
    transfer = np.outer(np.fft.fft(kernel), np.fft.fft(kernel))
    blurred = np.real(np.fft.ifft2(np.fft.fft2(picture) * transfer))
    return np.sum((blurred - seen) ** 2) + 1e-3 * np.sum(np.diff(picture, axis=0) ** 2)


def phase_retrieval(z, masks, powers):
    """A complex signal from the strengths of its masked spectra."""
    signal = z["real"] + 1j * z["imag"]
    spectra = np.fft.fft(masks * signal, axis=1)
    return np.mean((np.real(spectra * np.conj(spectra)) - powers) ** 2)


def moving_average(p, y):
    """An autoregression with a moving average, by its one-step errors."""
    keep, echo = np.tanh(p)
    before, miss, loss = 0.0, 0.0, 0.0
    for now in y:
        miss = now - keep * before - echo * miss
        loss = loss + miss**2
        before = now
    return loss / len(y)


def time_warping(p, x, y, softness=0.5):
    """How far two sequences are apart when time may stretch: dynamic programming with a soft minimum."""
    cost = (p["scale"] * x[:, None] + p["shift"] - y) ** 2
    n, m = cost.shape
    far = 1e6
    row = [0.0] + [far] * m
    for i in range(n):
        here = [far]
        for j in range(m):
            ways = (
                -np.stack([row[j] + 0 * cost[i, j], row[j + 1] + 0 * cost[i, j], here[j] + 0 * cost[i, j]])
                / softness
            )
            top = np.max(ways)
            here.append(cost[i, j] - softness * (top + np.log(np.sum(np.exp(ways - top)))))
        row = here
    return row[m]


def optimal_transport(points, others, softness=0.1, turns=20):
    """What it costs to carry points to others, by Sinkhorn's turns in logarithms."""
    cost = np.sum((points[:, None] - others) ** 2, axis=-1)
    f, g = np.zeros(len(points)), np.zeros(len(others))

    def soft(x, axis):
        top = np.max(x, axis=axis, keepdims=True)
        return np.squeeze(top, axis) + np.log(np.mean(np.exp(x - top), axis=axis))

    for _ in range(turns):
        f = -softness * soft((g - cost) / softness, 1)
        g = -softness * soft((f[:, None] - cost) / softness, 0)
    return np.mean(f) + np.mean(g)


def tensor_train(p, full):
    """An array of four axes as a train of small ones, contracted by einsum."""
    train = np.einsum("ia,ajb,bkc,cl->ijkl", p["a"], p["b"], p["c"], p["d"])
    return np.sum((train - full) ** 2) / np.sum(full**2)


def natural_gradient(w, X, labels):
    """The loss after one step of natural gradient: Fisher's matrix, solved inside of the function."""
    share = 1.0 / (1.0 + np.exp(-X @ w))
    slope = X.T @ (share - labels) / len(labels)
    fisher = X.T @ (X * (share * (1 - share))[:, None]) / len(labels) + 1e-3 * np.eye(len(w))
    after = X @ (w - np.linalg.solve(fisher, slope))
    return np.mean(np.logaddexp(0.0, after) - labels * after)


def portfolio(weights, mean, cov, taste=2.0):
    """Shares that weigh gain against risk; the shares are a softmax."""
    shares = np.exp(weights) / np.sum(np.exp(weights))
    return -(shares @ mean) + 0.5 * taste * shares @ cov @ shares
