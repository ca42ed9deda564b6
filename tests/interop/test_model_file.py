"""Model files: a network that comes back bit for bit, and nothing else that is ever built."""

import json

import numpy as np
import pytest

import clearprop
from clearprop import nn
from clearprop.errors import InputError
from clearprop.interop import load_model, load_safetensors, save_model, save_safetensors
from clearprop.ops.random import get_rng_state


def network():
    clearprop.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 4), nn.Tanh(), nn.Dropout(0.3), nn.LeakyReLU(0.2),
        nn.Linear(4, 3, bias=False), nn.Softmax(-1),
    )  # fmt: skip


def test_a_network_comes_back_bit_for_bit_in_evaluation_mode(tmp_path):
    before = network()
    save_model(tmp_path / "m", before, {"task": "none", "numbers": [1, 2.5]})
    state = get_rng_state()
    after, about = load_model(tmp_path / "m")
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)

    assert about == {"task": "none", "numbers": [1, 2.5]}
    assert repr(after) == repr(before)
    assert not after.training
    np.testing.assert_array_equal(after(x).value, before.eval()(x).value)
    np.testing.assert_array_equal(get_rng_state(), state)


def test_gelu_comes_back_in_its_form_and_in_the_tanh_form_from_files_without_a_choice(tmp_path):
    save_model(tmp_path / "m", nn.Sequential(nn.GELU(), nn.GELU(approximate="tanh")))
    arrays, metadata = load_safetensors(tmp_path / "m")
    layers = json.dumps({"layers": [{"name": "0", "type": "GELU"}], "about": {}})
    save_safetensors(tmp_path / "old", arrays, metadata | {"model": layers})

    assert [layer.approximate for layer in load_model(tmp_path / "m")[0]] == ["none", "tanh"]
    assert load_model(tmp_path / "old")[0][0].approximate == "tanh"


def test_the_weights_have_pytorch_s_names(tmp_path):
    save_model(tmp_path / "m", network())

    assert {name: array.shape for name, array in load_safetensors(tmp_path / "m")[0].items()} == {
        "1.weight": (4, 6),
        "1.bias": (4,),
        "5.weight": (3, 4),
    }


def test_models_that_a_file_cannot_describe_are_refused(tmp_path):
    class Own(nn.Module):
        pass

    with pytest.raises(TypeError, match="save_model: wants a Sequential: Own"):
        save_model(tmp_path / "m", Own())
    with pytest.raises(TypeError, match=r"wants layers of Linear, .*: Own"):
        save_model(tmp_path / "m", nn.Sequential(Own()))
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["layers"][1].update(type="os.system"), "there is no layer 'os.system'"),
        (lambda m: m["layers"][1].update(type="Module"), "there is no layer 'Module'"),
        (lambda m: m["layers"][1].update(in_features=10**12), "its weights are (4, 6)"),
        (lambda m: m["layers"][1].update(more=1), "there is no layer 'Linear' with"),
        (lambda m: m["layers"][3].update(p="x"), "its layers and its weights do not fit together"),
        (lambda m: m["layers"].pop(), None),
        (lambda m: m["layers"].pop(1), "its layers and its weights do not fit together"),
        (lambda m: m.pop("layers"), "its layers and its weights do not fit together: layers"),
        (lambda m: m.update(layers=3), "its layers and its weights do not fit together"),
        (lambda m: m.update(about=3), "its layers and its weights do not fit together"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(tmp_path, change, message):
    path = tmp_path / "m"
    save_model(path, network())
    arrays, metadata = load_safetensors(path)
    described = json.loads(metadata["model"])
    change(described)
    save_safetensors(path, arrays, metadata | {"model": json.dumps(described)})
    if message is None:  # a softmax less is another model, and a whole one
        assert len(load_model(path)[0]) == 6
        return
    with pytest.raises(InputError) as caught:
        load_model(path)

    assert message in str(caught.value)


def test_weights_of_another_program_are_told_from_models(tmp_path):
    save_safetensors(tmp_path / "m", {"w": np.ones(2)})
    save_safetensors(tmp_path / "n", {"w": np.ones(2)}, {"format": "pt"})

    with pytest.raises(InputError) as caught:
        load_model(tmp_path / "m")
    assert str(caught.value) == (
        f"reading {tmp_path / 'm'}: is not a model file of clearprop: it is a safetensors file.\n"
        "  Try a file that `clearprop train` or save_model wrote."
    )
    with pytest.raises(InputError, match="it is a safetensors file of 'pt'"):
        load_model(tmp_path / "n")


def picture_network():
    body = nn.Sequential({"first": nn.Conv2d(3, 4, 3, 2, padding=1, bias=False), "norm": nn.BatchNorm2d(4)})
    return nn.Sequential(
        nn.Residual(body, nn.Conv2d(3, 4, 1, 2)), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.LayerNorm(4), nn.Dropout(0.1), nn.Linear(4, 2),
    )  # fmt: skip


def test_nested_layers_and_convolutions_are_built_again(tmp_path):
    model = picture_network()
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    model(x)
    save_model(tmp_path / "m", model.eval(), {"a": 1})
    loaded, about = load_model(tmp_path / "m")

    assert load_safetensors(tmp_path / "m")[1]["format"] == "clearprop model 2"
    assert about == {"a": 1}
    assert repr(loaded) == repr(model)
    np.testing.assert_array_equal(loaded(x).value, model(x).value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["layers"][0]["body"]["layers"][0].update(out_channels=10**9), "its weights are"),
        (lambda m: m["layers"][0]["body"]["layers"][1].update(num_features=10**9), "its weights are"),
        (lambda m: m["layers"][0]["body"]["layers"][0].update(type="open"), "there is no layer 'open'"),
        (lambda m: m["layers"][0]["body"]["layers"][0].update(name="forward"), "a layer is called 'forward'"),
        (lambda m: m["layers"][0]["body"]["layers"][0].update(name="__class__"), "a layer is called"),
        (lambda m: m["layers"][0].update(more={}), "there is no layer 'Residual'"),
        (lambda m: m["layers"][4].update(normalized_shape=[10**9]), "its weights are"),
        (lambda m: m.pop("layers"), "do not fit together: layers"),
    ],
)
def test_a_nested_description_that_does_not_fit_is_refused(tmp_path, change, message):
    save_model(tmp_path / "m", picture_network())
    arrays, metadata = load_safetensors(tmp_path / "m")
    described = json.loads(metadata["model"])
    change(described)
    save_safetensors(tmp_path / "m", arrays, metadata | {"model": json.dumps(described)})
    with pytest.raises(InputError) as caught:
        load_model(tmp_path / "m")

    assert message in str(caught.value)


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, x):
        return 2 * self.inner(x)


def test_a_network_of_own_classes_is_its_weights_and_a_label(tmp_path):
    model, other = Doubled(), Doubled()
    save_model(tmp_path / "m", model, {"n": 3}, own="os.system")
    with pytest.raises(InputError) as caught:
        load_model(tmp_path / "m")
    loaded, about = load_model(tmp_path / "m", other)
    made, _ = load_model(tmp_path / "m", lambda about: Doubled() if about["n"] == 3 else None)

    assert str(caught.value) == (
        f"reading {tmp_path / 'm'}: holds the weights of a network of your own: it was made by 'os.system'.\n"
        "  Try --model FILE.py:build (in Python, load_model(path, network))."
    )
    assert loaded is other
    assert about == {"n": 3}
    for found in (other, made):
        np.testing.assert_array_equal(found.inner.weight.value, model.inner.weight.value)


def test_weights_of_a_parametrization_are_no_plain_layer(tmp_path):
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)))

    with pytest.raises(TypeError, match="wants layers with the weights of their kind"):
        save_model(tmp_path / "m", model)
    save_model(tmp_path / "m", model, own="mine")
    load_model(tmp_path / "m", model)


@pytest.mark.parametrize("layer", [nn.Softplus(1.0, 0.5), nn.AvgPool2d(2, divisor_override=3)])
def test_settings_that_are_seldom_made_come_back_too(tmp_path, layer):
    x = np.random.default_rng(0).normal(size=(2, 1, 4, 4)).astype(np.float32)
    save_model(tmp_path / "m", nn.Sequential(layer))
    found, _ = load_model(tmp_path / "m")

    np.testing.assert_array_equal(found(x), layer(x))
    assert load_safetensors(tmp_path / "m")[1]["format"] == "clearprop model 2"


@pytest.mark.parametrize("nested", [False, True])
def test_hooks_and_places_of_maxima_are_refused_rather_than_lost(tmp_path, nested):
    hooked = nn.Linear(2, 3)
    handle = hooked.register_forward_hook(lambda module, inputs, output: 2 * output)
    for layer, what in ((hooked, "hooks"), (nn.MaxPool2d(2, return_indices=True), "return_indices")):
        model = nn.Sequential(nn.Residual(nn.Sequential(layer)) if nested else layer)
        with pytest.raises(TypeError, match=f"that a file can tell of: {type(layer).__name__} .* has {what}"):
            save_model(tmp_path / "m", model)
    handle.remove()
    save_model(tmp_path / "m", nn.Sequential(hooked))


def test_bytes_of_a_name_that_are_no_letters_come_back(tmp_path):
    about = {"data": "caf\udce9/table.csv", "é": "\\udce9"}
    save_model(tmp_path / "m", nn.Sequential(nn.Linear(2, 3)), about)

    assert load_model(tmp_path / "m")[1] == about


def test_another_network_than_the_saved_one_is_refused(tmp_path):
    save_model(tmp_path / "m", Doubled(), own="mine")
    with pytest.raises(InputError, match="Try the network that it was saved from"):
        load_model(tmp_path / "m", nn.Linear(3, 2))


def test_the_columns_of_a_table_that_are_left_as_they_are_come_back(tmp_path):
    before = nn.Sequential(nn.TableFeatures(3), nn.Linear(3, 2))
    save_model(tmp_path / "m", before)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)

    after, _ = load_model(tmp_path / "m")
    np.testing.assert_array_equal(after(x).value, before(x).value)
