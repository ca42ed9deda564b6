"""The sentences of a trace: one table per language, with equal slots, and sentences of one's own."""

import numpy as np
import pytest

from clearprop import Tensor
from clearprop.errors import InputError
from clearprop.see.step import captions
from clearprop.see.step.captions import ENGLISH, LANGUAGES, SLOT, slots_of
from clearprop.see.step.steps import trace
from clearprop.typed import lecture

OTHERS = [language for language in LANGUAGES if language != "en"]


def dag(**options):
    return trace(lecture.EXAMPLES["dag"].graph(), **options)


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_every_sentence_with_the_same_slots(language):
    table = LANGUAGES[language]

    assert table.keys() == ENGLISH.keys()
    for key, sentence in ENGLISH.items():
        assert sorted(SLOT.findall(table[key])) == sorted(SLOT.findall(sentence)), key
    same = {key for key in ENGLISH if table[key] == ENGLISH[key]}
    assert same <= {"gradient", "quiz"}  # words that are the same in both


def test_a_trace_speaks_german():
    steps = dag(language="de")

    assert steps[0].sentence == "Add (Summe) berechnet c aus a und b."
    assert "b hatte 270; die Summe ist 297." in steps[-1].sentence
    assert steps[-1].chain == dag()[-1].chain
    assert steps.to_text().startswith("Vorwärts, von den Eingängen zum Ausgang")
    page = steps.to_html()
    assert '<html lang="de">' in page
    assert "Weiter &rarr;" in page
    assert "Forward" not in page.split("<body")[1].split("<script")[0]


@pytest.mark.parametrize("algorithm", lecture.ALGORITHMS)
@pytest.mark.parametrize("name", lecture.EXAMPLES)
def test_languages_differ_in_words_and_agree_in_numbers(name, algorithm):
    output = lecture.EXAMPLES[name].graph()
    english, german = (trace(output, algorithm=algorithm, language=found) for found in ("en", "de"))

    for one, other in zip(english, german, strict=True):
        assert one.sentence != other.sentence
        assert "{" not in one.sentence + other.sentence
        assert one.chain == other.chain or "not" in " ".join(one.chain) or "sum" in " ".join(one.chain)
        assert one.told.box == other.told.box
    assert english.to_text() != german.to_text()


def test_sentences_of_ones_own_stand_for_others():
    steps = dag(captions={"sum": "Now {x} holds {total}."})

    assert steps[-1].sentence.endswith("Now b holds 297.")
    assert "Now {x} holds" not in steps.to_text()
    assert "Now b holds {total}." in steps.to_html()


def test_a_step_says_a_sentence_of_ones_own_first():
    steps = dag(captions={9: "The second part of b comes.", 1: "Look at c."}, algorithm="topological")

    assert steps[8].sentence.startswith("The second part of b comes. c has its whole gradient")
    assert steps[0].sentence.startswith("Look at c. Add computes c")
    for shown in (steps.to_html(), steps.to_svg(8)):
        assert "The second part of b comes." in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"captions": {10: "too late"}}, "number steps from 1 to 9: 10"),
        ({"language": "fr"}, "language: is one of en, de: 'fr'"),
        ({"captions": {"summ": "x"}}, "'summ'"),
        ({"captions": {"sum": "{y} of {total}"}}, "it has {y}"),
        ({"captions": {"sum": 5}}, "it is 5"),
    ],
)
def test_what_is_no_caption_is_refused(options, said):
    with pytest.raises(InputError, match=said.replace("{", "\\{")):
        dag(**options)


def test_what_a_caption_says_is_text_on_the_page():
    own = {key: f'"{key}" <b>&' for key in ("quiz", "quiz level 1", "inputs", "view", "title tree", "depth")}
    page = trace(Tensor(3.0, name="x") ** 2, captions=own, quiz=1).to_html()
    before_scripts = page.partition("<script")[0]

    for key in ("quiz", "quiz level 1", "inputs", "view", "title tree", "depth"):
        assert f"&quot;{key}&quot; &lt;b&gt;&amp;" in before_scripts
        assert f'"{key}" <b>' not in before_scripts


def test_slots_in_brackets_count_as_slots():
    assert slots_of("{(g)} and {g} of {x}") == {"g", "x"}


def test_names_are_listed_as_a_sentence_does():
    told = captions.captions_of("de")

    assert told.listed([]) == ""
    assert told.listed(["a"]) == "a"
    assert told.listed(["a", "b", "c"]) == "a, b und c"


@pytest.mark.parametrize("label", ["w_{1}", "{i}", "{v}", "w_{vv}", "{}"])
def test_a_name_with_braces_is_no_slot(label):
    x = Tensor(3.0, name=label)
    steps = trace(x * x + 1, names={})

    assert f"{label} had 3; the sum is 6." in steps[-1].sentence
    assert f"{label}.grad = 3 + 3 = 6" in steps[-1].chain
    steps.to_html()


@pytest.mark.parametrize("slot", ["g", "total", "v0", "s7", "v99"])
def test_a_name_with_a_slot_in_it_loses_its_braces(slot):
    x = Tensor(3.0, name=f"W_{{{slot}}}")
    steps = trace(x * x + 1, names={})

    assert f"W_{slot} had 3; the sum is 6." in steps[-1].sentence
    assert f"W_{slot}.grad = 3 + 3 = 6" in steps[-1].chain
    assert f"from W_{slot}." in steps[0].sentence


@pytest.mark.filterwarnings("error")
def test_complex_numbers_are_shown_whole_and_not_asked_for():
    z = Tensor(1 + 2j, name="z")
    steps = trace(np.abs(z) ** 2, quiz=1)
    page = steps.to_html()

    assert "const script = null" in page
    assert '"name":"z","box":0,"leaf":true,"number":true,"needs":true,"value":"1+2j"' in page
    assert "whole gradient of z" not in page


def test_what_an_operation_is_called_stands_beside_its_name():
    a, b = Tensor([[1.0, 2.0]], name="a"), Tensor([[3.0], [4.0]], name="b")
    steps = trace(np.sum(a @ b), language="de")

    assert steps[0].sentence == "Matmul (Matrixprodukt) berechnet c aus a und b."
    assert "Die Regel von matmul (Matrixprodukt) macht daraus, was b bekommt." in steps[-1].sentence
    assert trace(np.sum(a @ b))[0].sentence == "Matmul computes c from a and b."


def test_a_step_may_have_a_number_of_numpy_and_what_is_no_sentence_is_named():
    assert dag(captions={np.int64(9): "Here."})[-1].sentence.startswith("Here. ")
    with pytest.raises(InputError, match=r"captions\[9\]: is a sentence: it is 5"):
        dag(captions={9: 5})


def test_a_mirrored_number_is_no_product_with_what_arrives():
    z = Tensor(1 + 2j, name="z")
    mirrored, product = np.conj(z), Tensor(3 + 1j, name="w")
    steps = trace(np.real(z * mirrored * product))
    (step,) = [s for s in steps if s.kind == "backward" and s.node is mirrored]

    assert step.local is None
    assert "times as far" not in step.sentence
    assert not any("\N{MULTIPLICATION SIGN}" in line for line in step.chain)
    assert step.amount == np.conj(step.g)
