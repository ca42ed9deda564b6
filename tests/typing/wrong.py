"""Planted mistakes: a type checker finds the line of each; every line that ends in `# wrong` is one."""

from typing import Any

import numpy as np

import clearprop
from clearprop import Tensor, nn, optim

t = Tensor([1.0, 2.0])
x = np.ones(2)
model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
optimizer = optim.Adam(model.parameters(), lr=1e-3)

clearprop.darw(t)  # wrong
clearprop.tanhh(t)  # wrong
clearprop.cat([t, t])  # wrong
clearprop.zeros(3)  # wrong
clearprop.tensor([1.0])  # wrong
clearprop.tanh()  # wrong
clearprop.tanh(t, t)  # wrong
clearprop.tanh(t, where=True)  # wrong
clearprop.add(t)  # wrong
clearprop.softmax(t, dim=1)  # wrong
clearprop.tanh(t).backwards()  # wrong
clearprop.tanh(t) + "a" + clearprop.nothing  # wrong
clearprop.manual_seed()  # wrong
clearprop.no_grad(t)  # wrong
clearprop.Tensor()  # wrong
Tensor([1.0], nam="w")  # wrong
Tensor([1.0], requires_grads=True)  # wrong
t.view(-1)  # wrong
t.unsqueeze(0)  # wrong
t.cuda()  # wrong
t.numel()  # wrong
t.size(0)  # wrong
t.shape()  # wrong
t.sum(dim=1)  # wrong
t.mean(keepdim=True)  # wrong
t.item(0)  # wrong
t.backward(retain_graph=True)  # wrong
t.shape = (2, 1)  # wrong
text: str = t.sum()  # wrong
count: int = clearprop.tanh(t)  # wrong
nn.Liner(2, 3)  # wrong
nn.Linear(2)  # wrong
nn.Linear(2, 3, bais=False)  # wrong
nn.ReLU(inplace=True)  # wrong
nn.Conv2D(1, 2, 3)  # wrong
model(x).grads  # wrong
model(x, x)  # wrong
nn.MSELoss()(x)  # wrong
nn.MSELoss()(x, x).backwards()  # wrong
optim.Adamm(model.parameters())  # wrong
optim.Adam(lr=0.1)  # wrong
optim.Adam(model.parameters(), learning_rate=0.1)  # wrong
optim.lr_scheduler.StepLR(optimizer, 1)  # wrong
optimizer.zero_grad(set_to_none=True)  # wrong
optimizer.stepp()  # wrong
optim.StepLR(optimizer)  # wrong


@clearprop.compile
def step(x: float, rate: float) -> Tensor:
    return t * x * rate


step(1.0)  # wrong
step(1.0, 2.0, 3.0)  # wrong
step("a", 1.0)  # wrong
step(1.0, rat=2.0)  # wrong
step(1.0, 2.0).backwards()  # wrong
step.explane()  # wrong
clearprop.compile(step, engine="numpy")  # wrong
clearprop.compile(3)  # wrong


class Named(nn.Module):
    """A model that says what it takes and gives."""

    def forward(self, x: Tensor) -> tuple[Tensor, str]:
        return x, "a"


pair: tuple[Tensor, int] = Named()(t)  # wrong
Named()(t, t)  # wrong


def square(x: float) -> Any:
    return x * x


clearprop.grad(square, argnum=0)  # wrong
clearprop.grad(square)(1.0, 2.0)  # wrong
clearprop.grad(3.0)  # wrong
