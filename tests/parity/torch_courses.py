"""More course programs, each a function of the library: hooks, pruning, parametrizations, shared memory, draws."""

import importlib
import io

from tests.parity.torch_programs import settled


def spread(torch, i, o):
    return settled(torch, torch.nn.Linear(i, o))


def pruned(torch):
    prune = importlib.import_module(f"{torch.__name__}.nn.utils.prune")
    layer = spread(torch, 3, 4)
    prune.l1_unstructured(layer, name="weight", amount=3)
    prune.ln_structured(layer, "weight", amount=0.5, n=2, dim=0)
    layer(torch.ones(1, 3)).sum().backward()
    seen = [layer.weight, layer.weight_orig.grad, sorted(layer.state_dict()), prune.is_pruned(layer)]
    prune.remove(layer, "weight")

    class EverySecond(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    other = spread(torch, 3, 4)
    EverySecond.apply(other, "bias")
    net = torch.nn.Sequential(spread(torch, 3, 4), torch.nn.ReLU(), spread(torch, 4, 2))
    places = (net[0], "weight"), (net[2], "weight")
    prune.global_unstructured(places, pruning_method=prune.L1Unstructured, amount=0.4)
    prune.custom_from_mask(net[0], "bias", torch.tensor([0, 1, 0, 1]))
    masks = [net[0].weight_mask, net[2].weight_mask, net[0].bias_mask]
    return (
        *seen,
        layer.weight,
        prune.is_pruned(layer),
        other.bias_mask,
        other.bias,
        masks,
        net(torch.ones(1, 3)),
    )


def parametrized(torch):
    parametrize, made = torch.nn.utils.parametrize, torch.nn.utils.parametrizations

    class Symmetric(torch.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, a):
            return a.triu()

    class Positive(torch.nn.Module):
        def forward(self, x):
            return x.exp()

    layer = spread(torch, 3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    seen = [
        repr(layer),
        layer.weight,
        layer.parametrizations.weight.original,
        repr(layer.parametrizations.weight[0]),
    ]
    layer.weight = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]) / 9
    parametrize.register_parametrization(layer, "weight", Positive())
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
    layer(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    with parametrize.cached():
        seen += [layer.weight, (layer.weight - layer.weight).abs().sum(), sorted(layer.state_dict())]
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    seen += [repr(layer), layer.weight, parametrize.is_parametrized(layer)]
    normed = made.weight_norm(spread(torch, 2, 3))
    seen += [normed(torch.ones(1, 2)), [(n, tuple(p.shape)) for n, p in normed.named_parameters()]]
    turned = made.orthogonal(spread(torch, 2, 2)).weight
    bound = torch.nn.utils.spectral_norm(spread(torch, 3, 4))
    for _ in range(1000):  # from a start at random, which may lie far off
        bound(torch.ones(1, 3))
    return *seen, turned.T @ turned, torch.linalg.matrix_norm(bound.weight, 2)


def fused(torch):
    norm, utils = torch.nn.BatchNorm1d(4).eval(), torch.nn.utils
    layer = utils.fuse_linear_bn_eval(spread(torch, 3, 4).eval(), norm)
    return repr(layer), layer(torch.ones(1, 3))


def steps_within_the_backward_pass(torch):
    layer = spread(torch, 2, 1)
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in layer.parameters()}

    def step(p):
        optimizers[p].step()
        optimizers[p].zero_grad()

    handles = [p.register_post_accumulate_grad_hook(step) for p in layer.parameters()]
    for _ in range(3):
        layer(torch.ones(1, 2)).sum().backward()
    seen = [layer.weight.clone(), layer.weight.grad]
    for handle in handles:
        handle.remove()
    layer(torch.ones(1, 2)).sum().backward()
    v, w = (torch.ones(2, requires_grad=True) for _ in "vw")
    for leaf in ([w], w):
        (v * w * 3).sum().backward(inputs=leaf)
    return *seen, layer.weight, layer.weight.grad, v.grad, w.grad


def memory_that_is_shared_in_a_file(torch):
    def there_and_back(thing):
        file = io.BytesIO()
        torch.save(thing, file)
        file.seek(0)
        return torch.load(file)

    a = torch.arange(6.0).reshape(2, 3)
    held = there_and_back({"a": a, "turned": a.t(), "row": a[1], "list": [a, a[:, ::2]], "n": 3})
    held["a"][1, 2] = 50
    held["row"][0] = -1
    one, two = spread(torch, 2, 2), spread(torch, 2, 2)
    two.weight = one.weight
    state = there_and_back(torch.nn.Sequential(one, two).state_dict())
    state["0.weight"].zero_()
    return held, state


def names_for_every_place(torch):
    layer = spread(torch, 2, 2)
    twice = torch.nn.Sequential(layer, torch.nn.Sequential(layer, torch.nn.BatchNorm1d(2)))
    found = [twice.named_modules, twice.named_parameters, twice.named_buffers]
    return [[[name for name, _ in f(remove_duplicate=once)] for once in (True, False)] for f in found]


def small_functions(torch):
    rows = torch.tensor([[1, 1], [1, 1], [2, 1]])
    x = torch.tensor([1.0, 2.0, 4.0])
    at_least = [torch.atleast_3d(torch.ones(shape)).shape for shape in ((), (2,), (2, 3), (1, 2, 3))]
    areas = [torch.cumulative_trapezoid(x), torch.cumulative_trapezoid(x, torch.tensor([0.0, 1.0, 3.0]))]
    areas += [torch.cumulative_trapezoid(rows.float(), dim=0), torch.cumulative_trapezoid(x, dx=0.5)]
    different = torch.unique_consecutive(rows, dim=0, return_counts=True, return_inverse=True)
    value, slope = torch.func.linearize(lambda a, b: a * b, x, 2 * x)
    return (
        at_least, areas, different, torch.unique_consecutive(rows.t(), dim=1),
        value, slope(torch.ones(3), torch.zeros(3)),
    )  # fmt: skip


def averaged_models(torch):
    utils = torch.optim.swa_utils
    x = torch.sin(torch.arange(12.0)).view(4, 3)
    model = torch.nn.Sequential(spread(torch, 3, 4), torch.nn.BatchNorm1d(4), spread(torch, 4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
    schedule = utils.SWALR(optimizer, swa_lr=0.02, anneal_epochs=3)
    mean = utils.AveragedModel(model)
    follows = utils.AveragedModel(model, multi_avg_fn=utils.get_ema_multi_avg_fn(0.8), use_buffers=True)
    own = utils.AveragedModel(model, avg_fn=lambda a, b, n: 0.5 * a + 0.5 * b)
    at_once = utils.AveragedModel(model, multi_avg_fn=utils.get_swa_multi_avg_fn())
    rates = []
    for i in range(5):
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()
        (before if i < 2 else schedule).step()
        rates.append(optimizer.param_groups[0]["lr"])
        for each in (mean, follows, own, at_once):
            each.update_parameters(model)
    utils.update_bn([x, x + 1], mean)
    found = [each.eval()(x) for each in (mean, follows, own, at_once)]
    return rates, found, mean.n_averaged, sorted(mean.state_dict()), mean.module[1].running_mean


def parts_by_their_names(torch):
    model = torch.nn.Sequential(spread(torch, 2, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU())
    model._modules["2"] = torch.nn.Tanh()
    x, shapes = torch.ones(4, 2), {}
    for name, layer in model._modules.items():
        x = layer(x)
        shapes[name] = tuple(x.shape)
    held = [list(layer._parameters) for layer in model] + [list(model[1]._buffers), "2" in model._modules]
    del model._modules["1"]
    split = torch.nn.Sequential(torch.nn.Unflatten(1, (1, 3)), torch.nn.Flatten())
    return x, shapes, held, repr(model), repr(split), torch.nn.parameter.Parameter is torch.nn.Parameter


def distances_of_ones_own(torch):
    a, b, c = (torch.sin(torch.arange(k, k + 12.0)).view(4, 3).requires_grad_() for k in (0, 3, 7))
    away = lambda x, y: 1 - torch.nn.functional.cosine_similarity(x, y)  # noqa: E731
    loss = torch.nn.TripletMarginWithDistanceLoss(distance_function=away, margin=0.5)(a, b, c)
    loss.backward()
    layer = torch.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation=lambda x: x.clamp(min=0) ** 2)
    return loss, a.grad, b.grad, c.grad, settled(torch, layer.eval())(torch.ones(2, 3, 4))


def scattered_together(torch):
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0.0, 1.0, 2.0]], requires_grad=True)
    new = torch.tensor([[2.0, 7.0, 3.5], [2.0, -1.0, 9.0]], requires_grad=True)
    index = torch.tensor([[0, 0, 2], [0, 1, 2]])
    found = []
    for how in ("sum", "prod", "mean", "amax", "amin"):
        for own in (True, False):
            for dim in (0, 1):
                y = x.scatter_reduce(dim, index, new, how, include_self=own)
                loss = (y * torch.arange(9.0).reshape(3, 3)).sum()
                found += [y, *torch.autograd.grad(loss, (x, new))]
            whole = torch.tensor([1, 2, 3]), torch.tensor([0, 0]), torch.tensor([5, 6])
            found.append(whole[0].scatter_reduce(0, *whole[1:], how, include_self=own))
    places = torch.tensor([[0, 0], [1, 2]])
    found.append(
        torch.ones(2, 3).scatter(1, places, torch.tensor([[2.0, 3.0], [4.0, 5.0]]), reduce="multiply")
    )
    return found, torch.ones(2, 3).scatter_(1, places, 2.0, reduce="add")


def triangles(torch):
    root = torch.tensor([[2.0, 0.0], [0.5, 1.5]], requires_grad=True)
    b = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    solve = torch.linalg.solve_triangular
    found = [
        solve(root, b, upper=False), solve(root.mT, b, upper=True), solve(root, b, upper=False, left=False),
        solve(root, b, upper=False, unitriangular=True), torch.cholesky_solve(b, root),
    ]  # fmt: skip
    sum(x.sum() for x in found).backward()
    return found, root.grad.tril()


PROGRAMS = [f for f in list(globals().values()) if getattr(f, "__module__", "") == __name__ and callable(f)]
PROGRAMS = [f for f in PROGRAMS if f.__code__.co_varnames[: f.__code__.co_argcount] == ("torch",)]
