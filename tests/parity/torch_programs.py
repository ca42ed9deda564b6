"""Course programs, each a function of the library: what it returns is the same in PyTorch and here."""

import copy
import io
import math

import numpy as np

DATA = np.random.default_rng(5)
IMAGES = DATA.normal(size=(12, 1, 12, 12)).astype(np.float32)
LABELS = DATA.integers(0, 4, 12)
TABLE = DATA.normal(size=(20, 5)).astype(np.float32)
TARGETS = (TABLE @ DATA.normal(size=(5, 1)) + 0.3).astype(np.float32)
WORDS = DATA.integers(0, 7, (4, 6))


def settled(torch, model):
    """Give a model weights that no generator has drawn."""
    with torch.no_grad():
        for k, p in enumerate(model.parameters()):
            p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * 1.7 + k).view(p.shape) * 0.3)
    return model


def trained(torch, model, optimizer, inputs, targets, loss_fn, steps=5):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def by_hand(torch):
    x, y = torch.from_numpy(TABLE), torch.from_numpy(TARGETS)
    w = torch.zeros(5, 1, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    losses = []
    for _ in range(10):
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            w -= 0.1 * w.grad
            b -= 0.1 * b.grad
            w.grad.zero_()
            b.grad.zero_()
    return losses, w, b, w.grad


def by_hand_with_data(torch):
    w = torch.ones(3, requires_grad=True)
    seen = []
    for _ in range(4):
        loss = (w**2 * torch.tensor([1.0, 2.0, 3.0])).sum()
        loss.backward()
        w.data.sub_(0.1 * w.grad.data)
        seen.append(w.grad.clone())
        w.grad = None
    return w, seen


def lenet(torch):
    nn, F = torch.nn, torch.nn.functional

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 3, 3, padding=1)
            self.conv2 = nn.Conv2d(3, 4, 3)
            self.fc1 = nn.Linear(4 * 2 * 2, 8)
            self.fc2 = nn.Linear(8, 4)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), (2, 2))
            x = x.view(-1, self.num_flat_features(x))
            x = F.relu(self.fc1(x))
            return F.log_softmax(self.fc2(x), dim=1)

        def num_flat_features(self, x):
            n = 1
            for s in x.size()[1:]:
                n *= s
            return n

    model = settled(torch, LeNet())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    x, y = torch.from_numpy(IMAGES), torch.from_numpy(LABELS)
    losses = trained(torch, model, optimizer, x, y, F.nll_loss)
    return losses, repr(model), model(x).argmax(dim=1), list(model.state_dict())


def normalised(torch):
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((2, 2)),
        nn.Flatten(), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 4),
    )  # fmt: skip
    settled(torch, model)
    x, y = torch.from_numpy(IMAGES), torch.from_numpy(LABELS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    losses = trained(torch, model, optimizer, x, y, nn.CrossEntropyLoss(label_smoothing=0.1))
    model.eval()
    return losses, model(x), model[1].running_mean, model[1].num_batches_tracked, repr(model)


def recurrent(torch):
    nn = torch.nn

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(7, 5, padding_idx=0)
            self.rnn = nn.LSTM(5, 6, num_layers=2, batch_first=True, bidirectional=True)
            self.out = nn.Linear(12, 3)

        def forward(self, x):
            h, (last, _cell) = self.rnn(self.embedding(x))
            return self.out(h.mean(dim=1)) + last[-1].sum()

    model = settled(torch, Tagger())
    x, y = torch.tensor(WORDS), torch.tensor([0, 1, 2, 1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    rates, losses = [], []
    for _ in range(5):
        losses += trained(torch, model, optimizer, x, y, nn.CrossEntropyLoss(), 1)
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    return losses, rates, norm, model.rnn.weight_ih_l0.grad, sum(p.numel() for p in model.parameters())


def cells(torch):
    nn = torch.nn
    cell, head = settled(torch, nn.GRUCell(5, 4)), settled(torch, nn.Linear(4, 1))
    x = torch.from_numpy(TABLE).view(4, 5, 5)
    h = torch.zeros(4, 4)
    outputs = []
    for t in range(x.size(1)):
        h = cell(x[:, t], h)
        outputs.append(head(h))
    y = torch.stack(outputs, dim=1).squeeze(-1)
    y.pow(2).sum().backward()
    return y, cell.weight_hh.grad, head.bias.grad


def attention(torch):
    nn, F = torch.nn, torch.nn.functional

    class Head(nn.Module):
        def __init__(self, size, width):
            super().__init__()
            self.key, self.query, self.value = (nn.Linear(size, width, bias=False) for _ in range(3))
            self.register_buffer("mask", torch.tril(torch.ones(6, 6)))

        def forward(self, x):
            _b, t, c = x.shape
            k, q = self.key(x), self.query(x)
            scores = q @ k.transpose(-2, -1) * c**-0.5
            scores = scores.masked_fill(self.mask[:t, :t] == 0, float("-inf"))
            return F.softmax(scores, dim=-1) @ self.value(x)

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.place = nn.Embedding(7, 8), nn.Embedding(6, 8)
            self.heads = nn.ModuleList([Head(8, 4) for _ in range(2)])
            self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 7)

        def forward(self, idx, targets=None):
            x = self.token(idx) + self.place(torch.arange(idx.shape[1], device=idx.device))
            x = x + torch.cat([h(self.norm(x)) for h in self.heads], dim=-1)
            logits = self.head(x)
            if targets is None:
                return logits, None
            b, t, c = logits.shape
            return logits, F.cross_entropy(logits.view(b * t, c), targets.reshape(b * t))

    model = settled(torch, Tiny())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    x = torch.tensor(WORDS)
    losses = []
    for _ in range(4):
        _, loss = model(x[:, :-1], x[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        idx = torch.zeros((1, 1), dtype=torch.long)
        for _ in range(4):
            logits, _ = model(idx)
            idx = torch.cat((idx, logits[:, -1, :].argmax(-1, keepdim=True)), dim=1)
    return losses, idx[0].tolist(), [name for name, _ in model.named_parameters()], len(list(model.buffers()))


def transformer(torch):
    nn = torch.nn
    layer = nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16, dropout=0.0, batch_first=True)
    model = settled(torch, nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False))
    x = torch.sin(torch.arange(4 * 6 * 8.0)).view(4, 6, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(6)
    y = model(x, mask=mask)
    y.sum().backward()
    return y, model.layers[0].self_attn.in_proj_weight.grad, model.layers[1].linear1.weight.grad


def custom_function(torch):
    class Clipped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, low):
            ctx.save_for_backward(x)
            ctx.low = low
            return x.clamp(min=low)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            g = g.clone()
            g[x < ctx.low] = 0.1
            return g, None

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b, a + b

        @staticmethod
        def backward(ctx, g, h):
            a, b = ctx.saved_tensors
            return g * b + h, g * a + h

    x = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    y = Clipped.apply(x, 0.0)
    p, q = Both.apply(x, y)
    (p * q).sum().backward()
    z = torch.tensor(3.0, requires_grad=True)
    (first,) = torch.autograd.grad(Both.apply(z, z)[0], z, create_graph=True)
    (second,) = torch.autograd.grad(first, z)
    return x.grad, y, first, second


def second_order(torch):
    x = torch.linspace(-1, 2, 4, requires_grad=True)
    y = (x**3 + torch.sin(x)).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    penalty = (g.norm() - 1) ** 2
    penalty.backward()
    F = torch.autograd.functional
    f = lambda a, b: (a**2).sum() * b.prod()  # noqa: E731
    ones, twos = torch.ones(2), torch.full((2,), 2.0)
    return (
        x.grad, F.jacobian(lambda t: t**3, ones), F.hessian(lambda t: (t**3).prod(), twos), F.jacobian(f, (ones, twos)),
        F.hessian(f, (ones, twos))[0][1], F.vjp(torch.exp, ones, twos), F.jvp(torch.exp, ones, twos), F.hvp(lambda t: (t**4).sum(), ones, twos),
    )  # fmt: skip


def accumulating(torch):
    model = settled(torch, torch.nn.Linear(5, 1))
    x, y = torch.from_numpy(TABLE), torch.from_numpy(TARGETS)
    held = None
    for part in range(4):
        loss = ((model(x[part::4]) - y[part::4]) ** 2).mean() / 4
        loss.backward()
        if held is None:
            held = model.weight.grad
    whole = held.clone()
    model.zero_grad()
    return whole, model.weight.grad is None, held


def frozen(torch):
    nn = torch.nn
    model = settled(torch, nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)))
    for p in model[0].parameters():
        p.requires_grad = False
    optimizer = torch.optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)
    before = model[0].weight.clone()
    losses = trained(
        torch, model, optimizer, torch.from_numpy(TABLE), torch.from_numpy(TARGETS), nn.MSELoss()
    )
    return losses, torch.equal(before, model[0].weight), [p.requires_grad for p in model.parameters()]


def groups(torch):
    nn = torch.nn
    model = settled(torch, nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1)))
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.5}],
        lr=0.01,
        weight_decay=0.1,
    )
    losses = trained(
        torch, model, optimizer, torch.from_numpy(TABLE), torch.from_numpy(TARGETS), nn.L1Loss(), 3
    )
    for group in optimizer.param_groups:
        group["lr"] *= 0.1
        for p in group["params"]:
            p.grad.data.clamp_(-0.01, 0.01)
    optimizer.step()
    return losses, [g["lr"] for g in optimizer.param_groups], model[2].weight


def own_optimizer(torch):
    class Sign(torch.optim.Optimizer):
        def __init__(self, params, lr=0.01):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    state["n"] = state.get("n", 0) + 1
                    p.add_(p.grad.sign(), alpha=-group["lr"] / state["n"])

    model = settled(torch, torch.nn.Linear(5, 1))
    return trained(
        torch,
        model,
        Sign(model.parameters()),
        torch.from_numpy(TABLE),
        torch.from_numpy(TARGETS),
        torch.nn.MSELoss(),
    )


def own_layer(torch):
    nn = torch.nn

    class Scaled(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(n))
            self.shift = nn.Parameter(torch.zeros(n))
            self.register_buffer("count", torch.tensor(0))
            self.register_parameter("none", None)

        def forward(self, x):
            self.count += 1
            return x * self.weight + self.shift

        def extra_repr(self):
            return f"n={self.weight.shape[0]}"

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(Scaled(5) for _ in range(2))
            self.parts = nn.ModuleDict({"a": nn.Linear(5, 1)})

        def forward(self, x):
            for layer in self.layers:
                x = torch.tanh(layer(x))
            return self.parts["a"](x)

    def start(m):
        if isinstance(m, nn.Linear):
            nn.init.constant_(m.weight, 0.1)
            nn.init.zeros_(m.bias)

    model = Net()
    model.apply(start)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    losses = trained(
        torch, model, optimizer, torch.from_numpy(TABLE), torch.from_numpy(TARGETS), nn.HuberLoss()
    )
    twin = copy.deepcopy(model)
    twin.layers[0].weight.data.fill_(5)
    return losses, repr(model), model.layers[0].count, list(model.state_dict()), model.layers[0].weight


def saved(torch):
    nn = torch.nn
    model = settled(torch, nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    x, y = torch.from_numpy(TABLE), torch.from_numpy(TARGETS)
    trained(torch, model, optimizer, x, y, nn.MSELoss(), 2)
    file = io.BytesIO()
    torch.save(
        {"epoch": 2, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "rate": [0.5, None]},
        file,
    )
    file.seek(0)
    found = torch.load(file)
    other = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    matched = other.load_state_dict(found["model"])
    second = torch.optim.Adam(other.parameters(), lr=0.05)
    second.load_state_dict(found["optimizer"])
    return trained(torch, other, second, x, y, nn.MSELoss(), 3), str(matched), found["epoch"], found["rate"]


def loaded_in_batches(torch):
    data = torch.utils.data

    class Squares(data.Dataset):
        def __len__(self):
            return 7

        def __getitem__(self, i):
            return {"x": torch.tensor([float(i)]), "y": i * i, "name": f"n{i}"}

    rows = [(batch["x"], batch["y"], batch["name"]) for batch in data.DataLoader(Squares(), batch_size=3)]
    pairs = data.TensorDataset(torch.from_numpy(TABLE), torch.from_numpy(TARGETS))
    loader = data.DataLoader(pairs, batch_size=8, shuffle=True, drop_last=True)
    sizes = [(len(x), y.shape) for x, y in loader]
    halves = data.random_split(pairs, [15, 5], generator=torch.Generator().manual_seed(0))
    joined = data.ConcatDataset([data.Subset(pairs, [0, 1]), halves[1]])
    return rows, sizes, len(loader), [len(h) for h in halves], len(joined), pairs[3][0]


def loaded_by_workers(torch):
    data = torch.utils.data

    class Squares(data.Dataset):
        def __len__(self):
            return 7

        def __getitem__(self, i):
            return {"x": torch.tensor([float(i)]), "y": i * i, "name": f"n{i}"}

    class Shared(data.IterableDataset):
        start, end = 0, 11

        def __iter__(self):
            info = data.get_worker_info()
            each = -(-(self.end - self.start) // info.num_workers)
            first = self.start + info.id * each
            return iter(range(first, min(first + each, self.end)))

    class Told(data.IterableDataset):
        start, end = 0, 11

        def __iter__(self):
            return iter(range(self.start, self.end))

    def share(number):
        dataset, count = data.get_worker_info().dataset, data.get_worker_info().num_workers
        each = -(-(dataset.end - dataset.start) // count)
        dataset.start += number * each
        dataset.end = min(dataset.start + each, dataset.end)

    out = [[(b["x"], b["y"], b["name"]) for b in data.DataLoader(Squares(), 3, num_workers=2)]]
    for size in (2, None):
        out.append(
            [
                int(x)
                for b in data.DataLoader(Shared(), size, num_workers=2)
                for x in torch.as_tensor(b).reshape(-1)
            ]
        )
        told = data.DataLoader(Told(), size, num_workers=2, worker_init_fn=share, prefetch_factor=3)
        out.append([int(x) for b in told for x in torch.as_tensor(b).reshape(-1)])
    kept = data.DataLoader(Squares(), 2, num_workers=2, persistent_workers=True, drop_last=True)
    out += [[b["y"] for b in kept] for _ in range(2)]
    return out, len(kept), data.get_worker_info()


def tensors(torch):
    x = torch.arange(12).reshape(3, 4)
    out = [repr(x), x.dtype, x[:, 1], x[1:, ::2], x.float().mean(dim=0), x.t().shape]
    y = x.float()
    y[0] = 7
    y[:, 2] *= -1
    y[y < 0] = 0
    out += [y, y.view(-1)[5], y.numpy().sum(), torch.cat([x, x]).shape, (x * 2 + 1).sum().item()]
    z = y.clone()
    z += 1
    values, indices = torch.max(z, dim=1)
    out += [values, indices, z.max(), torch.argmax(z), z.std(), z.sort(descending=True, dim=0)[1]]
    a = np.ones(3)
    t = torch.from_numpy(a)
    a += 1
    t.mul_(3)
    out += [t, a.tolist(), torch.tensor(a).dtype, t.numpy() is not None]
    out += [
        torch.ones(2, 3).add(1).div_(4),
        torch.eye(3)[[0, 2]],
        torch.linspace(0, 1, 3),
        torch.full((2,), math.pi),
    ]
    return out


def policy(torch):
    model = settled(torch, torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)))
    states, actions = torch.from_numpy(TABLE), torch.tensor(DATA_ACTIONS)
    returns = torch.linspace(1, -1, 20)
    returns = (returns - returns.mean()) / (returns.std() + 1e-8)
    logs = torch.log(torch.softmax(model(states), dim=-1).gather(1, actions.unsqueeze(1)).squeeze(1))
    loss = -(logs * returns).sum()
    loss.backward()
    return loss, model[0].weight.grad, torch.nn.functional.one_hot(actions, 3)


DATA_ACTIONS = [i % 3 for i in range(20)]


def generator_and_critic(torch):
    nn = torch.nn
    g, d = settled(torch, nn.Linear(5, 5)), settled(torch, nn.Sequential(nn.Linear(5, 1), nn.Sigmoid()))
    first, second = (torch.optim.Adam(m.parameters(), lr=2e-3, betas=(0.5, 0.999)) for m in (g, d))
    bce, real = nn.BCELoss(), torch.from_numpy(TABLE)
    losses = []
    for _ in range(3):
        second.zero_grad()
        fake = g(torch.ones(20, 5))
        loss = bce(d(real), torch.ones(20, 1)) + bce(d(fake.detach()), torch.zeros(20, 1))
        loss.backward()
        second.step()
        first.zero_grad()
        other = bce(d(fake), torch.ones(20, 1))
        other.backward()
        first.step()
        losses += [loss.item(), other.item()]
    return losses


def autoencoder(torch):
    nn, F = torch.nn, torch.nn.functional

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.mean, self.spread = nn.Linear(144, 16), nn.Linear(16, 3), nn.Linear(16, 3)
            self.outside = nn.Sequential(nn.Linear(3, 16), nn.ReLU(True), nn.Linear(16, 144), nn.Sigmoid())

        def forward(self, x):
            h = F.relu(self.inside(x.view(-1, 144)))
            mu, logvar = self.mean(h), self.spread(h)
            std = torch.exp(0.5 * logvar)
            z = mu + std * torch.full_like(std, 0.5)
            return self.outside(z), mu, logvar

    model = settled(torch, VAE())
    x = torch.from_numpy(IMAGES).sigmoid()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        recon, mu, logvar = model(x)
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = F.binary_cross_entropy(recon, x.view(-1, 144), reduction="sum") + kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, repr(model)


def residual(torch):
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, inside, outside, stride=1):
            super().__init__()
            self.conv1 = nn.Conv2d(inside, outside, kernel_size=3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(outside)
            self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(outside)
            self.shortcut = nn.Sequential()
            if stride != 1 or inside != outside:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
                )

        def forward(self, x):
            out = F.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            out += self.shortcut(x)
            return F.relu(out)

    model = settled(
        torch, nn.Sequential(Block(1, 3), Block(3, 4, 2), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(4, 4))
    )
    x, y = torch.from_numpy(IMAGES), torch.from_numpy(LABELS)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    losses = []
    for _ in range(4):
        losses += trained(torch, model, optimizer, x, y, nn.CrossEntropyLoss(), 1)
        scheduler.step()
    return losses, optimizer.param_groups[0]["lr"], repr(model)


def switched(torch):
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        y = x * 2
    with torch.set_grad_enabled(False):
        z = x * 2
    with torch.no_grad(), torch.enable_grad():
        w = x * 2

    @torch.no_grad()
    def f(t):
        return t * 2

    torch.set_grad_enabled(False)
    u = x * 2
    torch.set_grad_enabled(True)
    kept = x * 3
    kept.retain_grad()
    kept.sum().backward()
    flags = [t.requires_grad for t in (y, z, w, f(x), u, x.detach(), x.data, x)]
    return flags, kept.grad, x.is_leaf, kept.is_leaf, y.is_leaf, torch.is_grad_enabled(), x.grad


def plateau(torch):
    p = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([p], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    rates = []
    for value in (3, 2, 2, 2, 2, 1, 1, 1, 1):
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 1 / (n + 1))
    for _ in range(3):
        optimizer.step()
        warm.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def closure(torch):
    w = torch.nn.Parameter(torch.zeros(5, 1))
    x, y = torch.from_numpy(TABLE), torch.from_numpy(TARGETS)
    optimizer = torch.optim.LBFGS([w], lr=1, max_iter=10)

    def evaluate():
        optimizer.zero_grad()
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()
        return loss

    return [float(optimizer.step(evaluate)) for _ in range(2)], w


def packed(torch):
    rnn = torch.nn.utils.rnn
    parts = [torch.ones(3, 2), torch.ones(2, 2) * 2, torch.ones(1, 2) * 3]
    padded = rnn.pad_sequence(parts, batch_first=True)
    gru = settled(torch, torch.nn.GRU(2, 3, batch_first=True))
    out, h = gru(rnn.pack_padded_sequence(padded, torch.tensor([3, 2, 1]), batch_first=True))
    back, lengths = rnn.pad_packed_sequence(out, batch_first=True)
    return padded, back, h, lengths


def distributions(torch):
    d = torch.distributions
    m = torch.tensor([0.5, -1.0], requires_grad=True)
    s = torch.tensor([1.5, 0.5], requires_grad=True)
    logits = torch.tensor([[0.1, 2.0, -1.0], [1.0, 0.0, 0.5]], requires_grad=True)
    x, k = torch.tensor([0.3, 0.7]), torch.tensor([2, 0])
    normal, other, some = (
        d.Normal(m, s),
        d.Normal(torch.zeros(2), torch.ones(2)),
        d.Categorical(logits=logits),
    )
    coin = d.Bernoulli(logits=logits)
    found = [
        normal.log_prob(x), normal.entropy(), d.kl_divergence(normal, other), some.log_prob(k), some.entropy(), some.probs,
        coin.log_prob((logits > 0).float()), coin.entropy(), d.Uniform(m - 2, m + 2).log_prob(x), d.Uniform(0.0, 4.0).entropy(),
        d.kl_divergence(some, d.Categorical(probs=torch.ones(2, 3))), d.Categorical(probs=torch.tensor([1.0, 3.0])).probs,
    ]  # fmt: skip
    sum(f.sum() for f in found).backward()
    shapes = [normal.sample((3,)).shape, some.sample().shape, some.sample((4,)).shape, coin.sample().shape]
    return (
        found,
        m.grad,
        s.grad,
        logits.grad,
        shapes,
        normal.rsample().requires_grad,
        normal.sample().requires_grad,
    )


def masked_transformer(torch):
    nn = torch.nn
    model = settled(torch, nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True))
    source, target = torch.sin(torch.arange(80.0)).view(2, 5, 8), torch.cos(torch.arange(64.0)).view(2, 4, 8)
    mask = model.generate_square_subsequent_mask(4).to(source.device)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    out = model(source, target, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding)
    out.sum().backward()
    return out, mask, model.encoder.layers[0].linear1.weight.grad


def switches(torch):
    torch.backends.cudnn.deterministic = True
    device = torch.device(
        "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    )
    x = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    (x.to(device) * torch.special.expit(x)).sum().backward()
    return str(device), x.grad


def hooked(torch):
    nn = torch.nn
    model = settled(torch, nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)))
    seen = []
    kept = [
        model[0].register_full_backward_hook(lambda m, gi, go: seen.append((len(gi), go[0]))),
        model[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,)),
        model[2].register_full_backward_pre_hook(lambda m, go: seen.append(go[0].shape)),
        model[2].weight.register_hook(lambda g: g * 10),
        model.register_forward_hook(lambda m, a, z: seen.append(z.sum()), always_call=False),
    ]
    x = torch.from_numpy(TABLE[:3].copy()).requires_grad_()
    y = model(x)
    y.register_hook(lambda g: seen.append(g + 1))
    y.sum().backward()
    for handle in kept:
        handle.remove()
    slopes = [p.grad.clone() for p in model.parameters()]
    model(x).sum().backward()
    return seen, slopes, x.grad, model.get_parameter("0.bias").grad, len(seen)


def saved_outputs(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x**3, 3 * x**2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], output[1])

        @staticmethod
        def backward(ctx, g, of_slope):
            x, slope = ctx.saved_tensors
            return g * slope + of_slope * 6 * x

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            z = x.exp()
            ctx.save_for_backward(z)
            return z

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    found = []
    for f in (lambda x: Cube.apply(x)[0], Exp.apply):
        x = torch.tensor([0.5, 2.0], requires_grad=True)
        value = f(x)
        for _ in range(3):
            (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
            found.append(value.detach())
    x = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)
    checked = torch.autograd.gradgradcheck(Exp.apply, (x,)), torch.autograd.gradcheck(Exp.apply, (x,))
    return found, repr(Exp.apply(x).grad_fn.name()), checked


def functional(torch):
    call, func = torch.func.functional_call, torch.func
    layer = settled(torch, torch.nn.Sequential(torch.nn.Linear(5, 2), torch.nn.BatchNorm1d(2)))
    x, y = torch.from_numpy(TABLE[:6]), torch.from_numpy(TARGETS[:6])
    held = {name: p.detach() for name, p in layer.named_parameters()}

    def loss(values, x, y):
        return ((call(layer, values, (x,)) - y) ** 2).mean()

    layer.eval()
    slopes = func.grad(loss)(held, x, y)
    each = torch.vmap(func.grad(loss), in_dims=(None, 0, 0))(held, x.unsqueeze(1), y.unsqueeze(1))
    models = [settled(torch, torch.nn.Linear(5, 1)) for _ in range(3)]
    with torch.no_grad():
        models[1].weight.mul_(2)
    params, buffers = func.stack_module_state(models)
    many = torch.vmap(lambda p, b, x: call(models[0], (p, b), (x,)), in_dims=(0, 0, None))(params, buffers, x)
    before = layer[0].weight.clone()
    call(layer, {"0.weight": torch.zeros(2, 5)}, (x,))
    try:
        call(layer, {"nothing": x}, (x,), strict=True)
        refused = "no"
    except RuntimeError:
        refused = "RuntimeError"
    whole = dict(slopes), {k: v.shape for k, v in each.items()}, each["0.weight"]
    return (
        [*whole[0].values()],
        [*whole[1].values()],
        whole[2],
        many,
        torch.equal(before, layer[0].weight),
        refused,
    )


def resumed(torch):
    kinds = torch.optim.lr_scheduler
    p = torch.nn.Parameter(torch.ones(2))
    found = []
    for make in (
        lambda o, k: kinds.StepLR(o, 1 + k, 0.9 - 0.4 * k),
        lambda o, k: kinds.MultiStepLR(o, [3 + k, 5], 0.9 - 0.4 * k),
        lambda o, k: kinds.ExponentialLR(o, 0.9 - 0.4 * k),
        lambda o, k: kinds.CosineAnnealingLR(o, 7 - k, 0.01 * k),
        lambda o, k: kinds.OneCycleLR(o, 0.3 - 0.1 * k, total_steps=9 + k),
        lambda o, k: kinds.CyclicLR(o, 0.01 + 0.1 * k, 0.3, step_size_up=3 - k),
        lambda o, k: kinds.SequentialLR(o, [kinds.ConstantLR(o, 0.2), kinds.ExponentialLR(o, 0.9)], [4 - k]),
        lambda o, k: kinds.ReduceLROnPlateau(o, factor=0.9 - 0.4 * k, patience=1 + k),
    ):
        states = None
        for k in (0, 1):  # the second one is made otherwise, and goes on as the first
            optimizer = torch.optim.SGD([p], lr=0.2, momentum=0.9)
            schedule = make(optimizer, k)
            if states is not None:
                optimizer.load_state_dict(states[0])
                schedule.load_state_dict(states[1])
            for _ in range(4):
                optimizer.step()
                schedule.step(*([1.0] if isinstance(schedule, kinds.ReduceLROnPlateau) else []))
                found.append(optimizer.param_groups[0]["lr"])
            states = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    return found


def closures(torch):
    w = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], lr=0.5, max_iter=4)

    def closure():
        optimizer.zero_grad()
        loss = ((w - torch.tensor([1.0, 2.0])) ** 2).sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    with torch.autocast("cpu", enabled=False):
        loss = closure()
    scaler.scale(loss * 2)
    return (
        losses,
        w,
        scaler.is_enabled(),
        repr(torch.optim.Adam([w])),
        repr(torch.optim.SGD([w], lr=0.5, nesterov=False)),
    )


def told(torch):
    x = torch.tensor([[1.5, -2.0, float("nan")], [0.0, 3.0, 3.0]])
    whole = torch.tensor([[1, 2, 2], [3, 3, 1]])
    named = [repr(f(whole, 1)) for f in (torch.max, torch.min, torch.cummax, torch.mode, torch.median)]
    named += [repr(torch.sort(whole)), repr(torch.topk(whole, 2)), repr(torch.kthvalue(whole, 1))]
    named += [repr(torch.linalg.eigh(torch.eye(2))), repr(torch.slogdet(torch.eye(2)))]
    kinds = [torch.result_type(whole, 1.5), torch.promote_types(torch.int32, torch.float16)]
    area = torch.trapezoid(x[1]), torch.trapezoid(whole.float(), torch.tensor([0.0, 2.0, 3.0]))
    distribution = torch.distributions.Normal(1.0, 2.0)
    shares = distribution.cdf(torch.tensor([0.0, 3.0])), distribution.icdf(torch.tensor([0.2, 0.7]))
    rest = torch.isin(whole, torch.tensor([1, 3])), torch.unique_consecutive(whole[0]), torch.hsplit(x, 3)[1]
    y = (x[1].clone().requires_grad_() * 2)[1:]
    names = [repr(y), repr(y[0]), repr(y[None]), torch.atleast_2d(x[0]).shape, torch.diagflat(x[1, :2])]
    return torch.sign(x), named, str(kinds), area, shares, rest, names


PROGRAMS = [f for f in list(globals().values()) if getattr(f, "__module__", "") == __name__ and callable(f)]
PROGRAMS = [f for f in PROGRAMS if f.__code__.co_varnames[: f.__code__.co_argcount] == ("torch",)]
