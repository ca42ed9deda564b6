"""Lines with a planted mistake each, in the use of `clearprop.numpy`: every `# wrong` is found."""

import clearprop.numpy as np
from clearprop import Tensor

t = Tensor([1.0, 2.0])
np.sine(t)  # wrong
np.sin()  # wrong
np.sin(t, axes=1, bias=2)  # wrong
np.sin(t).shapes  # wrong
np.add(t)  # wrong
np.sum(t, dim=0)  # wrong
np.sum()  # wrong
np.sum(t).wrong()  # wrong
np.stack(1.0)  # wrong
np.concatenate([t, t], dim=1)  # wrong
np.array([t, 1.0]).views()  # wrong
np.array([t, 1.0], kind="f4")  # wrong
np.full(3)  # wrong
np.full(3, t).wrong()  # wrong
np.linalg.norms(t)  # wrong
np.linalg.norm(t).wrong()  # wrong
np.linalg.solve(t)  # wrong
np.fft.fft(t, m=3)  # wrong
np.random.normal(t, 1.0).wrong()  # wrong
np.random.normal(t, 1.0, shape=(2,))  # wrong
number: str = np.mean(t)  # wrong
np.where(t > 0, t).shape  # wrong
np.float46(1.0)  # wrong
