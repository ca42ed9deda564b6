"""`torch.amp`: numbers keep their dtype here, as they do in PyTorch where mixed precision is switched off."""

from __future__ import annotations

from typing import Any

from clearprop.errors import lesson


class autocast:
    """A block in which nothing is cast: as PyTorch's for a graphics card that is not there, or not enabled.

    Raises RuntimeError where it is to cast on the cpu: NumPy has no bfloat16.

    >>> import clearprop.torch as torch
    >>> with autocast("cpu", enabled=False):
    ...     z = torch.ones(2) * 2
    >>> z.dtype
    torch.float32
    """

    def __init__(self, device_type: str = "cuda", dtype: Any = None, enabled: bool = True, **_: Any) -> None:
        if enabled and device_type != "cuda":
            wanted, hint = "numbers keep their dtype: NumPy has no bfloat16", "enabled=False, or model.half()"
            raise RuntimeError(lesson(f"torch.autocast({device_type!r})", wanted, hint=hint))

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __call__(self, f: Any) -> Any:
        """Return the function as it is."""
        return f


class GradScaler:
    """What scales losses against underflow on a graphics card: here, as there without one, by 1.

    >>> scaler = GradScaler()
    >>> scaler.scale(2.0), scaler.is_enabled(), scaler.get_scale()
    (2.0, False, 1.0)
    """

    def __init__(self, device: Any = "cuda", *how: Any, **options: Any) -> None:
        pass

    def scale(self, outputs: Any) -> Any:
        """Return the losses as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Do nothing: gradients were not scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Let the optimizer take its step."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Do nothing."""

    def is_enabled(self) -> bool:
        """Tell that it scales nothing."""
        return False

    def get_scale(self) -> float:
        """Return 1."""
        return 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return nothing, as there where it is not enabled."""
        return {}

    def load_state_dict(self, state_dict: Any) -> None:
        """Take over nothing."""
