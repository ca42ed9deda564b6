"""What the doctor says of the lessons' troubles in German: a template for each of its own, the same slots."""

from __future__ import annotations

# fmt: off
SENTENCES = {
    # --- what was looked at, and the frame of a finding
    "{model}, {n} parameters in {layers} layers, {loss} on {rows} rows.":
        "{model}, {n} Parameter in {layers} Schichten, {loss} auf {rows} Zeilen.",
    "{model}, {n} parameters in {layers} layer, {loss} on {rows} rows.":
        "{model}, {n} Parameter in {layers} Schicht, {loss} auf {rows} Zeilen.",
    "{n} findings:": "{n} Befunde:",
    "{n} finding:": "{n} Befund:",
    "measured": "gemessen",
    "matters": "Folge",
    "try": "versuche",
    "at": "bei",
    # --- names and places
    "learning rate too high": "Lernrate zu groß",
    "learning rate too low": "Lernrate zu klein",
    "inputs that are not scaled": "Eingänge, die nicht skaliert sind",
    "targets that are not scaled": "Zielwerte, die nicht skaliert sind",
    "gradient exactly zero": "Gradient genau null",
    "saturated units": "gesättigte Einheiten",
    "dead units": "tote Einheiten",
    "layers in a row without an activation": "Schichten hintereinander ohne Aktivierung",
    "softmax before CrossEntropyLoss": "Softmax vor CrossEntropyLoss",
    "sigmoid before BCEWithLogitsLoss": "Sigmoid vor BCEWithLogitsLoss",
    "NLLLoss without log-softmax": "NLLLoss ohne Log-Softmax",
    "zero_grad() forgotten": "zero_grad() vergessen",
    "parameter never used": "Parameter nie benutzt",
    "parameters the optimizer does not know": "Parameter, die der Optimierer nicht kennt",
    "frozen parameters": "eingefrorene Parameter",
    "vanishing": "verschwindend",
    "exploding": "explodierend",
    "worse than guessing": "schlechter als geraten",
    "symmetric initialisation": "alle Einheiten gleich",
    "the loss is locally constant": "der Verlust ist hier konstant",
    "numbers that are not finite in the data": "Zahlen in den Daten, die nicht endlich sind",
    "a number that is not finite": "eine Zahl, die nicht endlich ist",
    "one class only": "nur eine Klasse",
    "column {n}": "Spalte {n}",
    "the model's output": "dem Ausgang des Modells",
    "layer {n} ({path})": "Schicht {n} ({path})",
    "{name}, layer {n} ({path})": "{name}, Schicht {n} ({path})",
    "inputs": "den Eingängen",
    "targets": "den Zielwerten",
    "loss": "dem Verlust",
    # --- what was measured
    "{n} steps take the loss from {start} to {end}; with lr={rate} to {other}":
        "{n} Schritte bringen den Verlust von {start} auf {end}; mit lr={rate} auf {other}",
    "the columns' sizes (rms) go from {least} to {most}":
        "die Größen der Spalten (rms) gehen von {least} bis {most}",
    "all entries of the gradient of {n} of {all} parameters are 0":
        "alle Einträge des Gradienten sind 0 bei {n} von {all} Parametern",
    "{share} of its values lie where the slope is below {flat} of its top":
        "{share} seiner Werte liegen, wo die Steigung unter {flat} der größten ist",
    "what stands between them has the same slope everywhere, or nothing stands there":
        "was zwischen ihnen steht, hat überall dieselbe Steigung, oder es steht nichts da",
    "{n} of {all} ReLU units are 0 for all {rows} rows looked at":
        "{n} von {all} ReLU-Einheiten sind 0 für alle {rows} betrachteten Zeilen",
    "the {n} outputs are positive and add up to 1 in every row":
        "die {n} Ausgänge sind positiv und ergeben in jeder Zeile zusammen 1",
    "gradients of 1 that were in the model before a step are still in those it leaves, for all {n} "
    "parameters":
        "Gradienten von 1, die vor einem Schritt im Modell standen, stecken noch in denen danach, bei "
        "allen {n} Parametern",
    "none of the {n} nodes that lead to the loss was computed from it; what was computed from it left "
    "the graph by {what} at {where}":
        "keiner der {n} Knoten, die zum Verlust führen, wurde daraus berechnet; was daraus berechnet "
        "wurde, verließ den Graphen durch {what} bei {where}",
    "{n} of {all} parameters are in none of its groups":
        "{n} von {all} Parametern stehen in keiner seiner Gruppen",
    "{n} of {all} parameters have requires_grad=False": "{n} von {all} Parametern haben requires_grad=False",
    "its gradient has rms {least} ({times} times as much): that of layer {n} has rms {most}, and it "
    "shrinks layer by layer":
        "sein Gradient hat rms {least} (das {times}fache): der von Schicht {n} hat rms {most}, und er "
        "schrumpft von Schicht zu Schicht",
    "the loss is {loss}; equal odds for {n} classes have {guess}":
        "der Verlust ist {loss}; gleiche Chancen für {n} Klassen haben {guess}",
    "its {what} has rms {most}, {times} times that of layer {n}":
        "sein {what} hat rms {most}, das {times}fache von Schicht {n}",
    "the weights of all its {n} units are {same}, to the bit":
        "die Gewichte aller {n} Einheiten sind {same}, auf das Bit",
    "every gradient is 0, and the loss stays the same to the bit in {n} of {all} nudges of all "
    "parameters by {size} %":
        "jeder Gradient ist 0, und der Verlust bleibt auf das Bit gleich bei {n} von {all} Stößen aller "
        "Parameter um {size} %",
    "{n} of {all} entries; the first is {value} at {place}":
        "{n} von {all} Einträgen; der erste ist {value} bei {place}",
    "their size (rms) is {size}": "ihre Größe (rms) ist {size}",
    "all {n} labels are {label}": "alle {n} Labels sind {label}",
    "exp(output) adds up to {low} to {high} in a row, not to 1":
        "exp(output) ergibt in einer Zeile {low} bis {high}, nicht 1",
    "the outputs come from a sigmoid and lie between {low} and {high}":
        "die Ausgänge kommen aus einem Sigmoid und liegen zwischen {low} und {high}",
    "{call}: computed {value} at {place}: {n} of {all} entries are not finite.":
        "{call}: berechnet wurde {value} bei {place}: {n} von {all} Einträgen sind nicht endlich.",
    "Made of {what} = {value}.": "Gemacht aus {what} = {value}.",
    "At {where}": "In {where}",
    "On its way to the output: {way}.": "Auf dem Weg zum Ausgang: {way}.",
    "Try {what} or {other}, which do not overflow.": "Versuche {what} oder {other}, die nicht überlaufen.",
    "a loss with its sign turned": "ein Verlust mit verkehrtem Vorzeichen",
    "it is {right} where the predictions are right, and falls to {wrong} where they are wrong":
        "er ist {right}, wo die Vorhersagen stimmen, und fällt auf {wrong}, wo sie falsch sind",
    "the loss without its minus": "der Verlust ohne sein Minus",
    # --- why it matters
    "each step takes the predictions farther from the targets, and the loss falls without end":
        "jeder Schritt bringt die Vorhersagen weiter von den Zielen weg, und der Verlust fällt ohne Ende",
    "each step overshoots the valley that the gradient points into":
        "jeder Schritt geht über das Tal hinaus, in das der Gradient zeigt",
    "training would take many times longer than it needs":
        "das Training würde ein Vielfaches der nötigen Zeit dauern",
    "the first layer's gradients are that much too large or uneven; its units saturate or die":
        "die Gradienten der ersten Schicht sind um so viel zu groß oder ungleich; ihre Einheiten "
        "sättigen oder sterben",
    "they do not learn from this batch, and perhaps from none":
        "sie lernen nichts aus diesem Batch, und vielleicht aus keinem",
    "almost no gradient passes there, so what comes before learns very slowly":
        "dort kommt fast kein Gradient hindurch, und was davor steht, lernt sehr langsam",
    "the two together compute what one layer from {a} to {b} could: more weights, no more functions":
        "beide zusammen berechnen, was eine Schicht von {a} nach {b} könnte: mehr Gewichte, nicht mehr "
        "Funktionen",
    "a dead unit has slope 0: it gets no gradient and does not come back":
        "eine tote Einheit hat Steigung 0: sie bekommt keinen Gradienten und kommt nicht zurück",
    "the loss applies log-softmax itself; twice, it squeezes the gradient and the loss stays above "
    "{least}":
        "der Verlust wendet Log-Softmax selbst an; zweimal staucht es den Gradienten, und der Verlust "
        "bleibt über {least}",
    "backward() adds to what is there: each step then follows the sum of all gradients so far":
        "backward() addiert zu dem, was da ist: jeder Schritt folgt dann der Summe aller bisherigen "
        "Gradienten",
    "it gets no gradient and keeps its first values for ever":
        "er bekommt keinen Gradienten und behält für immer seine ersten Werte",
    "they get a gradient but no step changes them":
        "sie bekommen einen Gradienten, aber kein Schritt ändert sie",
    "they get no gradient and keep their values, whatever the optimizer is told":
        "sie bekommen keinen Gradienten und behalten ihre Werte, was auch immer dem Optimierer gesagt "
        "wird",
    "the first layers do not learn: each layer multiplies the gradient by a slope below 1":
        "die ersten Schichten lernen nicht: jede Schicht nimmt den Gradienten mal eine Steigung unter 1",
    "the model is sure of wrong answers: the first steps only undo that":
        "das Modell ist sich falscher Antworten sicher: die ersten Schritte machen nur das rückgängig",
    "one step throws the weights far away, or the numbers overflow":
        "ein Schritt wirft die Gewichte weit weg, oder die Zahlen laufen über",
    "equal units receive equal gradients and stay equal: the layer is worth a single unit":
        "gleiche Einheiten bekommen gleiche Gradienten und bleiben gleich: die Schicht ist eine einzige "
        "Einheit wert",
    "there is no slope to follow: accuracy, argmax, rounding and counting are flat almost everywhere":
        "es gibt keine Steigung, der man folgen kann: Genauigkeit, argmax, Runden und Zählen sind fast "
        "überall flach",
    "one NaN makes the loss, every gradient and then every weight NaN":
        "ein NaN macht den Verlust, jeden Gradienten und dann jedes Gewicht zu NaN",
    "one NaN spreads to the loss, to every gradient, and with the next step to every weight":
        "ein NaN breitet sich aus auf den Verlust, auf jeden Gradienten, und mit dem nächsten Schritt "
        "auf jedes Gewicht",
    "the loss and its gradients grow with the square of it, so that usual learning rates diverge":
        "der Verlust und seine Gradienten wachsen mit dem Quadrat davon, und übliche Lernraten laufen "
        "davon",
    "a model that always answers so has no loss left to learn from":
        "ein Modell, das immer so antwortet, hat keinen Verlust mehr, aus dem es lernt",
    "NLLLoss takes log-probabilities; of other numbers it has no lower bound":
        "NLLLoss nimmt Logarithmen von Wahrscheinlichkeiten; bei anderen Zahlen hat er keine untere "
        "Grenze",
    "the loss applies the sigmoid itself; applied twice the answer never leaves {low} to {high}":
        "der Verlust wendet das Sigmoid selbst an; zweimal angewandt verlässt die Antwort nie {low} bis "
        "{high}",
    # --- what to try
    "lr={rate}, a warm-up, or gradient clipping":
        "lr={rate}, ein langsamer Anfang, oder begrenzte Gradienten",
    "lr={rate}": "lr={rate}",
    "data.StandardScaler, or (x - x.mean(0)) / x.std(0), with the training data's mean and std":
        "data.StandardScaler, oder (x - x.mean(0)) / x.std(0), mit Mittelwert und Streuung der "
        "Trainingsdaten",
    "a look at what follows them: units that are all dead, a weight of 0 behind them, a factor of 0":
        "ein Blick auf das, was folgt: lauter tote Einheiten, ein Gewicht 0 dahinter, ein Faktor 0",
    "scaled inputs, smaller initial weights, or ReLU":
        "skalierte Eingänge, kleinere Anfangsgewichte, oder ReLU",
    "ReLU, Tanh or GELU between them, or one layer instead of the two":
        "ReLU, Tanh oder GELU dazwischen, oder eine Schicht statt der beiden",
    "a smaller learning rate, scaled inputs, biases that start at 0, or LeakyReLU":
        "eine kleinere Lernrate, skalierte Eingänge, Biases, die bei 0 beginnen, oder LeakyReLU",
    "the model without its Softmax, which is for predicting only":
        "das Modell ohne sein Softmax, das nur zum Vorhersagen da ist",
    "optimizer.zero_grad() before loss.backward(), in every step":
        "optimizer.zero_grad() vor loss.backward(), in jedem Schritt",
    "using it in forward(), or removing it; a .value, detach() or np.array on the way cuts the graph":
        "ihn in forward() benutzen oder weglassen; .value, detach() oder np.array auf dem Weg "
        "zerschneidet den Graphen",
    "the optimizer made from model.parameters(), after the model is complete":
        "den Optimierer aus model.parameters() machen, wenn das Modell vollständig ist",
    "requires_grad = True, or an optimizer made of the others alone if they are meant to stay":
        "requires_grad = True, oder ein Optimierer der anderen allein, wenn sie bleiben sollen",
    "ReLU or tanh for sigmoid, initial weights by nn.init, normalisation, or shortcuts around layers":
        "ReLU oder tanh statt Sigmoid, Anfangsgewichte mit nn.init, Normalisierung, oder Abkürzungen um "
        "Schichten",
    "smaller initial weights, scaled inputs, and a look at whether rows and labels match":
        "kleinere Anfangsgewichte, skalierte Eingänge, und ein Blick, ob Zeilen und Labels "
        "zusammengehören",
    "smaller initial weights (nn.init), normalisation, or gradient clipping":
        "kleinere Anfangsgewichte (nn.init), Normalisierung, oder begrenzte Gradienten",
    "random initial weights, such as the layer's own reset_parameters()":
        "zufällige Anfangsgewichte, wie die reset_parameters() der Schicht sie macht",
    "a smooth loss: CrossEntropyLoss for classes, MSELoss for numbers":
        "ein glatter Verlust: CrossEntropyLoss für Klassen, MSELoss für Zahlen",
    "dropping those rows, or filling them in: np.nan_to_num, or the column's median":
        "diese Zeilen weglassen, oder füllen: np.nan_to_num, oder der Median der Spalte",
    "training on (y - y.mean()) / y.std() and scaling the predictions back":
        "auf (y - y.mean()) / y.std() trainieren und die Vorhersagen zurückrechnen",
    "data with examples of every class": "Daten mit Beispielen jeder Klasse",
    "CrossEntropyLoss, or LogSoftmax as the last layer":
        "CrossEntropyLoss, oder LogSoftmax als letzte Schicht",
    "the model without its Sigmoid, or BCELoss": "das Modell ohne sein Sigmoid, oder BCELoss",
    "clearprop.watch() around the training step, to stop where it arises":
        "clearprop.watch() um den Trainingsschritt, um dort anzuhalten, wo sie entsteht",
}
VALUES = {"the same": "gleich", "output": "Ausgang", "gradient": "Gradient", "value": ".value"}
# fmt: on
"""Sentences by the doctor's templates, and the words that stand in slots."""
