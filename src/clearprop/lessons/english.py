"""What the lessons say in English: of each its title, its paragraphs and its exercise; the words of pages.

Code stands between backticks. The other languages have the same keys and the same number of paragraphs.
"""

from __future__ import annotations

from typing import Any

LESSONS: dict[str, dict[str, Any]] = {
    "graph": {
        "title": "A graph of nodes",
        "text": [
            "A computation is a graph. Input nodes hold what is given. Intermediate nodes each compute one "
            "thing from others. The output node is what we want to know about.",
            "In the drawing below, `a` and `b` are inputs, `c = a + b` and `d = b**3` are intermediate, and "
            "`e = c * d` is the output. An arrow says: this value is needed there.",
            "Note that `b` has two arrows. A node may be used as often as one likes; this small fact is what "
            "makes backpropagation interesting.",
        ],
        "exercise": "Draw the graph of `(x + y) * (x - y)` on paper. Which nodes are used twice? Compare "
        'with `clearprop draw "(x + y) * (x - y)" x=3 y=1`.',
    },
    "forward": {
        "title": "The forward pass",
        "text": [
            "Going from the inputs to the output and filling in the values is the forward pass. A node can "
            "be computed as soon as everything that it needs has a value.",
            "An order in which every node comes after its inputs is a topological order. There are usually "
            "several, and all of them give the same values.",
            "`relu` passes a positive number on and turns a negative one into 0. Change `b` to a positive "
            "number and watch what becomes of the output.",
        ],
        "exercise": "Compute all values of `(a + b**3) * c` for a=7, b=3, c=2 by hand, then let "
        '`clearprop step "(a + b**3) * c" a=7 b=3 c=2` do it.',
    },
    "numerical": {
        "title": "Asking by trying: numerical gradients",
        "text": [
            "How fast does the output change if one input changes a little? One can find out by trying: add "
            "a small `h` to the input, run the forward pass, subtract `h` instead, run it again, and divide "
            "the difference of the outputs by `2h`.",
            "A large `h` sees too much of the curve. A tiny `h` subtracts two nearly equal numbers, and "
            "their rounding errors are divided by almost nothing. The best `h` lies between, and even there "
            "only about ten of the sixteen digits are right.",
            "This needs two forward passes for each input: too slow for training, and just right for "
            "checking. Every gradient in this course can be checked so.",
        ],
        "exercise": "Work out the two gradients of `(a + b) * b**3` at a=2, b=1 with a pocket calculator and "
        'h=0.01. Then compare with `clearprop check "(a + b) * b**3" a=2 b=1`.',
    },
    "tree": {
        "title": "Backpropagation on a tree",
        "text": [
            "The gradient of a node is the derivative of the output with respect to that node. The output's "
            "own gradient is 1. From there we go back.",
            "Each node multiplies the gradient that arrived at it by its local derivative, the derivative of "
            "what it computes with respect to one input, and sends the product to that input. This is the "
            "chain rule.",
            "If every node is used once, the graph is a tree, there is one way from each node to the output, "
            "and nothing else has to be thought of.",
        ],
        "exercise": "Fill in the backward pass of `Multiply` and run `clearprop check multiply.py`. It says "
        "what is wrong without giving the answer away.",
    },
    "dag": {
        "title": "Backpropagation on a graph",
        "text": [
            "Here `b` is used twice. A change of `b` reaches the output in two ways, and the two effects add "
            "up: this is the chain rule for several variables. So a node does not set the gradient of its "
            "input, it adds to it.",
            "The first of the two drawings follows a wrong algorithm: whatever arrives replaces what was "
            "there, as would do on a tree. Step through both and see where they part.",
            "The difference between the two programs is a single sign: `=` in place of `+=`.",
        ],
        "exercise": "The class `Value` in `value.py` sets its inputs' gradients. Make it add instead, and "
        "run `clearprop check value.py`.",
    },
    "order": {
        "title": "In which order",
        "text": [
            "Adding is not enough. A node may pass its gradient on only when it has all of it, that is after "
            "everyone who uses it has spoken. Otherwise a part is sent too early and sent once more with the "
            "rest.",
            "The first drawing follows an algorithm that adds up, but never waits: `w` passes on its first "
            "contribution at once, and then the sum of both. So `x` counts the first one twice.",
            "The right order is a topological order backwards: users before what they use.",
        ],
        "exercise": "Predict what the algorithm that does not wait makes of `w = x**2; y = w * w` at x=2. "
        'Check with `clearprop step "w = x**2; y = w * w" x=2 --algorithm recursive`.',
    },
    "nodes": {
        "title": "The nodes",
        "text": [
            "Each kind of node knows two things: how to compute its value, and its local derivatives. "
            "Nothing else has to be known about a node, and no node needs to know the rest of the graph.",
            "The table gives the local derivatives, with `z` for the node's own value. Its formulas were not "
            "typed: they were made by running the very rules that compute the gradients.",
        ],
        "exercise": "Write the backward pass of `Tanh` in `tanh.py` and run `clearprop check tanh.py`. Use "
        "the node's own value.",
    },
    "matrices": {
        "title": "Vectors and matrices",
        "text": [
            "A node may hold an array. Then its gradient has the array's shape: one derivative of the output "
            "for each entry.",
            "The local derivative would be a huge matrix that nobody writes down. The rule says how to "
            "multiply by it instead. For `c = X @ w`, `w` receives `X.T @ c.grad`, which is again a matrix "
            "product.",
            "Where one number was used for many entries, its gradient is the sum over them. This is nothing "
            "new: it was used many times.",
        ],
        "exercise": "Write the backward pass of `MatMul` in `matmul.py` and run `clearprop check matmul.py`. "
        "The shapes alone leave you only one way to write it.",
    },
    "neuron": {
        "title": "A neuron",
        "text": [
            "A neuron multiplies its inputs by weights, adds them up together with a bias, and bends the "
            "result: `a = tanh(w1*x1 + w2*x2 + b)`. It is a small graph like any other.",
            "Step back through it: each weight's gradient is the gradient of the sum, times its own input. A "
            "weight whose input is 0 learns nothing from this example.",
            "Set `b` to 5. The neuron is saturated: `tanh` is flat there, its local derivative is nearly 0, "
            "and all gradients behind it vanish.",
        ],
        "exercise": "For which inputs are the gradients of `w1` and `w2` equal? Say it first, then try it in "
        "the page.",
    },
    "training": {
        "title": "Training",
        "text": [
            "Let the output be a loss, a number that says how wrong we are, and let `w` and `b` be "
            "parameters. Their gradients say in which direction the loss grows. Gradient descent goes a "
            "little the other way, again and again.",
            "Press the button below and watch: forward, backward, and a small step of each parameter. That "
            "is all that training is; large networks have more boxes.",
            "Now make the learning rate larger. At first the loss falls faster. Then it jumps over the "
            "valley and does not come to rest.",
        ],
        "exercise": "Find the largest learning rate with which the loss still falls at every step. Then "
        "train a real network: `clearprop train digits`.",
    },
    "attention": {
        "title": "Attention",
        "text": [
            "Three words, each a row of `x`. Every word asks a question, its query, and every word offers a "
            "key. The products of queries and keys are the scores: how much each word cares for each other.",
            "`softmax` turns each row of scores into weights that add up to 1, and the output is the "
            "weighted average of the values.",
            "Go backward and look at `x @ Wv`: it receives its gradient through the weights, transposed. The "
            "words that were looked at most learn most.",
        ],
        "exercise": "Why is the score divided by the root of the size? Compare "
        '`clearprop step "softmax(x)[0]" x=[1,2,3]` with `x=[10,20,30]` and look at the gradients.',
    },
    "convolution": {
        "title": "Convolution",
        "text": [
            "A small kernel slides over the image. At each place it is multiplied with what lies under it, "
            "entry by entry, and the products are added. This kernel answers where dark meets bright.",
            "The same four numbers are used at nine places. So the kernel's gradient is a sum of nine parts, "
            "one for each place: a node that is used often, as before.",
            "The image's gradient is a convolution too, with the kernel turned round.",
        ],
        "exercise": "Which entry of the kernel has the largest gradient, and which places of the image made "
        "it? The chain of the last steps says so.",
    },
    "lstm": {
        "title": "LSTM",
        "text": [
            "One step of an LSTM with a single unit. Four linear layers have read the input and made `f`, "
            "`i`, `o` and `g`. The gate `sigmoid(f)` says how much of the old cell stays, `sigmoid(i)` how "
            "much of the new is written, `sigmoid(o)` how much of the cell is seen outside.",
            "Look at the way from `cell` back to `c`: it is a single product, with `keep`. Where the gate is "
            "open, a gradient can go back over many steps without fading.",
            "Set `f` to -5: the gate is shut, and what came before no longer matters, neither forward nor "
            "backward.",
        ],
        "exercise": "A plain recurrent unit is `h = tanh(w*x + u*h)`. What does its gradient get multiplied "
        "by at each step of time? Why does that fade?",
    },
    "batch-norm": {
        "title": "Batch normalisation",
        "text": [
            "Four rows of one feature. Their mean is taken away, they are divided by their spread, and then "
            "two parameters, `gamma` and `beta`, may scale and shift them again.",
            "The mean and the variance are nodes as well, and every row is used in them. So each row's "
            "gradient depends on all rows, and the four gradients of `x` add up to 0: to shift all rows "
            "together changes nothing.",
        ],
        "exercise": "The gradients of `x` also add up to (nearly) 0 when each is multiplied by its `normal`. "
        "Which change of the rows does nothing, then?",
    },
    "dropout": {
        "title": "Dropout",
        "text": [
            "In training some entries are dropped: multiplied by 0, chosen at random. The others are "
            "multiplied by 2, so that the sum stays the same on average.",
            "What was multiplied by 0 going forward is multiplied by the same 0 going backward. A dropped "
            "unit neither speaks nor learns in this step.",
            "In use nothing is dropped and nothing is scaled.",
        ],
        "exercise": "What would go wrong if the backward pass drew a new mask? Write down the gradient of "
        "`w` for one entry that was dropped going forward.",
    },
    "adam": {
        "title": "Adam",
        "text": [
            "Plain gradient descent uses one learning rate for everything. Adam keeps two running averages "
            "for each parameter: of its gradient, and of the gradient's square.",
            "The step is the first divided by the root of the second: its size hardly depends on how large "
            "the gradients are, only on how much they agree. The divisions by `1 - 0.9**10` make up for "
            "averages that began at 0; a tiny number that keeps the last division from failing is left out.",
            "The curves show both on a narrow valley, where one direction is a hundred times steeper than "
            "the other.",
        ],
        "exercise": "Multiply `g`, `m` and (by the square) `v` by 10 in the page. What happens to `step`?",
    },
    "rate": {
        "title": "Why does it not learn? The learning rate is too high",
        "text": [
            "The loss jumps about or grows. Each step goes across the valley and lands higher on the other "
            "side.",
            "The cure is a smaller learning rate. A curve that falls smoothly and then lies flat is what you "
            "want to see.",
        ],
        "exercise": "Before you change a model, divide its learning rate by ten and look again.",
    },
    "scaling": {
        "title": "Why does it not learn? The inputs are not scaled",
        "text": [
            "One input counts in thousands, the other in hundredths. The first weight's gradient is then a "
            "hundred thousand times larger, and no learning rate suits both.",
            "The cure is to subtract each column's mean and divide by its spread, once, before training.",
        ],
        "exercise": "Print the mean and the spread of each column of your own data.",
    },
    "dead": {
        "title": "Why does it not learn? Dead units",
        "text": [
            "Where a unit's sum is negative for every row, `relu` gives 0 for all of them and its local "
            "derivative is 0 as well. No gradient arrives, so nothing can bring the unit back.",
            "Here the biases began far below 0. The cure is a usual initialisation, and a smaller learning "
            "rate if units die later.",
        ],
        "exercise": "What would `leaky_relu` change? Look at its local derivative.",
    },
    "softmax": {
        "title": "Why does it not learn? Softmax twice",
        "text": [
            "The cross entropy loss applies softmax itself. A model that ends in a softmax of its own is "
            "squeezed twice: its outputs lie between 0 and 1, and even a perfect answer has a loss far "
            "from 0.",
            "It does learn, only slowly and never well, which is why this mistake lives long. The cure is to "
            "leave the last softmax out.",
        ],
        "exercise": "What is the smallest loss that two classes can reach when softmax is applied twice?",
    },
    "zero-grad": {
        "title": "Why does it not learn? A forgotten zero_grad()",
        "text": [
            "`backward()` adds to the gradients that are there. If nobody sets them back to 0, each step "
            "uses the sum of all gradients so far, those of long ago included.",
            "The steps keep their direction even after the valley has been passed, and the loss swings. The "
            "cure is one line: `optimizer.zero_grad()` before each backward pass.",
        ],
        "exercise": "Adding is a feature, too. How can you use it to train with batches that do not fit into "
        "memory?",
    },
    "unused": {
        "title": "Why does it not learn? A parameter that is never used",
        "text": [
            "`.value` gives the numbers without the graph. Nothing that comes before it gets a gradient, so"
            " the first layer keeps its first weights for ever.",
            "The rest may still learn a little, which hides the mistake. The cure: stay in the graph, "
            "without `.value`, `detach()` or `np.array` on the way.",
        ],
        "exercise": "Which gradients are None after one `backward()`? Why is the loss not constant?",
    },
    "unknown": {
        "title": "Why does it not learn? Parameters the optimizer does not know",
        "text": [
            "Every parameter gets its gradient, but a step changes only those that the optimizer was given."
            " Here it knows one bias.",
            "The cure: make the optimizer from `model.parameters()`, when the model is complete.",
        ],
        "exercise": "Which loss is the best that a single bias can reach?",
    },
    "frozen": {
        "title": "Why does it not learn? Frozen parameters",
        "text": [
            "`requires_grad_(False)` takes parameters out of the graph: no gradient arrives, and no "
            "optimizer moves them.",
            "That is meant for a network whose first layers are kept. The cure, where it is not meant: "
            "`requires_grad_(True)`.",
        ],
        "exercise": "When is it right to freeze all layers but the last?",
    },
    "vanishing": {
        "title": "Why does it not learn? Vanishing gradients",
        "text": [
            "The slope of a sigmoid is 0.25 at most. Six of them in a row multiply the gradient by less "
            "than 0.25 each, and almost nothing reaches the first layers.",
            "The cure: an activation whose slope is 1 where its input is small, normalisation, or shortcuts"
            " around layers.",
        ],
        "exercise": "How small is 0.25 to the power of 6?",
    },
    "exploding": {
        "title": "Why does it not learn? Exploding gradients",
        "text": [
            "Weights that are much too large make every layer multiply what passes, forward as well as "
            "backward. The numbers grow from layer to layer.",
            "One step then throws the weights far away. The cure: initial weights that keep the size of the"
            " numbers (`nn.init`), normalisation, or gradient clipping.",
        ],
        "exercise": "Eight units with weights of spread 8: by how much does one layer enlarge its inputs?",
    },
    "symmetric": {
        "title": "Why does it not learn? All units alike",
        "text": [
            "Units with equal weights compute the same, receive the same gradient, and stay equal after "
            "every step. A layer of eight is worth a single unit.",
            "The cure: random initial weights, as layers make them themselves.",
        ],
        "exercise": "Why is it harmless that all biases begin at 0?",
    },
    "saturated": {
        "title": "Why does it not learn? Saturated units",
        "text": [
            "Where the inputs of `tanh` are large, it is flat: its slope `1 - z**2` is nearly 0, and almost"
            " no gradient passes.",
            "The cure: scaled inputs, smaller initial weights, or ReLU, which is flat on one side only.",
        ],
        "exercise": "From which input on is the slope of `tanh` below 0.02?",
    },
    "flat": {
        "title": "Why does it not learn? A loss without a slope",
        "text": [
            "Counting mistakes is flat almost everywhere: a small step of the weights changes no count, so "
            "every gradient is 0.",
            "The cure: a smooth loss that grows as an answer gets more wrong, such as cross entropy or the "
            "hinge.",
        ],
        "exercise": "Draw the count and the hinge as functions of the margin.",
    },
    "nan": {
        "title": "Why does it not learn? A NaN in the data",
        "text": [
            "One number that is not a number makes the loss NaN, then every gradient, and with the first "
            "step every weight.",
            "The cure: leave the row out, or fill in what is missing, such as the column's median.",
        ],
        "exercise": "After which step is no weight a number any more?",
    },
    "targets": {
        "title": "Why does it not learn? Targets that are not scaled",
        "text": [
            "The squared error of numbers in the thousands is in the millions, and its gradient as large. "
            "Steps of a size that suits usual networks come nowhere.",
            "The cure: train on targets of mean 0 and spread 1, and scale the predictions back.",
        ],
        "exercise": "By how much does the squared error grow if targets are in metres and not in kilometres?",
    },
    "one-class": {
        "title": "Why does it not learn? One class only",
        "text": [
            "If all labels are equal, the model learns to say so and nothing else. The loss falls to 0, "
            "which looks like success.",
            "The cure: data with examples of every class, and a look at the counts before training.",
        ],
        "exercise": "What would this model say of a row of another class?",
    },
    "likelihood": {
        "title": "Why does it not learn? NLLLoss without log-softmax",
        "text": [
            "`NLLLoss` takes logarithms of probabilities. Of other numbers it has no lower bound: the loss "
            "falls for ever, and means nothing.",
            "The cure: `CrossEntropyLoss`, or `LogSoftmax` as the last layer.",
        ],
        "exercise": "What is the smallest value that cross entropy can have?",
    },
    "sigmoid": {
        "title": "Why does it not learn? Sigmoid, applied twice",
        "text": [
            "The loss applies the sigmoid itself. Applied twice, no answer leaves the range from 0.5 to "
            "0.73, and even a right one is punished.",
            "The cure: leave out the last `Sigmoid`, or take `BCELoss`.",
        ],
        "exercise": "What is the sigmoid of 0 and of 1?",
    },
    "guessing": {
        "title": "Why does it not learn? Worse than guessing",
        "text": [
            "The last layer's weights are so large that the model is sure of its answers before it has "
            "learned anything, and half of them are wrong.",
            "The first steps only undo that. The cure: smaller initial weights, and a look at whether rows "
            "and labels belong together.",
        ],
        "exercise": "Which loss has a model that gives all of n classes equal odds?",
    },
    "linear": {
        "title": "Why does it not learn? Layers without an activation",
        "text": [
            "Two linear layers in a row are one linear layer: `(x @ A) @ B` is `x @ (A @ B)`. What no line "
            "separates, here the sign of a product, stays out of reach.",
            "The cure: an activation between them.",
        ],
        "exercise": "Where do the curves part, and why does the broken one stop at about 0.69?",
    },
    "slow": {
        "title": "Why does it not learn? A learning rate too low",
        "text": [
            "Every step goes the right way, and none goes far. The loss falls so slowly that it looks as if"
            " it stood still.",
            "The cure: larger steps, ten times at a time, until the loss swings; then a little less.",
        ],
        "exercise": "How many such steps lead as far as one at the mended rate?",
    },
    "overflow": {
        "title": "Why does it not learn? Numbers that overflow",
        "text": [
            "`exp` of more than 88 is infinite in float32, and infinite over infinite is not a number. From"
            " there NaN spreads to everything.",
            "The cure: subtract the greatest exponent first, which changes nothing in the quotient. "
            "`CrossEntropyLoss` does so itself.",
        ],
        "exercise": "Why does subtracting the same number from all leave the softmax as it is?",
    },
}

WORDS = {
    "course": "Backpropagation, step by step",
    "about": "A course in pages that need no network. Every graph is live: step through it, change its "
    "inputs, answer the quiz. Each page can be shown as slides, and printed.",
    "basics": "The lecture",
    "networks": "PageParts of networks",
    "troubles": "Why does it not learn?",
    "contents": "Contents",
    "previous": "Previous",
    "next": "Next",
    "slides": "Slides",
    "notes": "Notes",
    "notes slide": "Slide {n} of {all}",
    "notes next": "Next: {z}",
    "notes since": "{minutes} minutes since the beginning",
    "print": "Print",
    "handout": "Handout",
    "watch": "Step through it",
    "python": "The same in Python",
    "exercise": "Exercise",
    "file": "The file to fill in",
    "save": "Save {file}",
    "grade": "Grade it with",
    "keys": "{f} slides, {notes} a window of notes, {n} and {p} next and previous slide, {left} {right} "
    "steps of the graph, {escape} ends the slides.",
    "numerical": "Try it",
    "input": "Input",
    "quotient": "difference quotient",
    "exact": "backpropagation says",
    "error": "error",
    "descent": "Go down",
    "rate": "Learning rate",
    "one step": "One step",
    "ten steps": "Ten steps",
    "start again": "Start again",
    "loss after": "After {n} steps the loss is {loss}.",
    "node": "node",
    "nodes": "What each kind sends",
    "derivatives": "local derivatives, made by running the rule",
    "curves": "Watch it train",
    "loss": "loss",
    "broken": "as it is",
    "mended": "mended",
    "at step": "step {n}: {values}",
    "not finite": "not finite",
    "doctor": "What the doctor says",
    "doctor about": "`clearprop.doctor(model, (x, y), loss, optimizer, step=step)` found this by itself:",
    "questions": "Questions",
    "answers": "Answers",
    "name": "Name",
    "every step": "Every step",
    "solve": "Fill in the gradients of all nodes.",
}

REMARKS: dict[str, str] = {}
"""What stands beside the lines of code: the lines are English themselves."""
