"""What the lessons say in German, by the keys of `english.py`."""

from __future__ import annotations

from typing import Any

LESSONS: dict[str, dict[str, Any]] = {
    "graph": {
        "title": "Ein Graph aus Knoten",
        "text": [
            "Eine Rechnung ist ein Graph. Eingangsknoten halten, was gegeben ist. Zwischenknoten berechnen "
            "je eine Sache aus anderen. Der Ausgangsknoten ist das, worüber wir etwas wissen wollen.",
            "In der Zeichnung sind `a` und `b` Eingänge, `c = a + b` und `d = b**3` Zwischenknoten, und "
            "`e = c * d` ist der Ausgang. Ein Pfeil sagt: dieser Wert wird dort gebraucht.",
            "Aus `b` führen zwei Pfeile. Ein Knoten darf beliebig oft benutzt werden; diese Kleinigkeit "
            "macht Backpropagation erst interessant.",
        ],
        "exercise": "Zeichne den Graphen von `(x + y) * (x - y)` auf Papier. Welche Knoten werden zweimal "
        'benutzt? Vergleiche mit `clearprop draw "(x + y) * (x - y)" x=3 y=1`.',
    },
    "forward": {
        "title": "Der Vorwärtslauf",
        "text": [
            "Von den Eingängen zum Ausgang gehen und dabei die Werte eintragen: das ist der Vorwärtslauf. "
            "Ein Knoten kann berechnet werden, sobald alles, was er braucht, einen Wert hat.",
            "Eine Reihenfolge, in der jeder Knoten nach seinen Eingängen kommt, heißt topologische Ordnung. "
            "Meist gibt es mehrere, und alle ergeben dieselben Werte.",
            "`relu` lässt eine positive Zahl durch und macht aus einer negativen 0. Gib `b` eine positive "
            "Zahl und sieh, was aus dem Ausgang wird.",
        ],
        "exercise": "Berechne alle Werte von `(a + b**3) * c` für a=7, b=3, c=2 von Hand, und dann mit "
        '`clearprop step "(a + b**3) * c" a=7 b=3 c=2`.',
    },
    "numerical": {
        "title": "Fragen durch Probieren: numerische Gradienten",
        "text": [
            "Wie schnell ändert sich der Ausgang, wenn sich ein Eingang ein wenig ändert? Man kann es "
            "ausprobieren: ein kleines `h` zum Eingang addieren, vorwärts rechnen, stattdessen `h` abziehen, "
            "noch einmal rechnen, und den Unterschied der Ausgänge durch `2h` teilen.",
            "Ein großes `h` sieht zu viel von der Kurve. Ein winziges `h` zieht zwei fast gleiche Zahlen "
            "voneinander ab, und deren Rundungsfehler wird durch fast nichts geteilt. Das beste `h` liegt "
            "dazwischen, und auch dort stimmen nur etwa zehn von sechzehn Ziffern.",
            "Das braucht zwei Vorwärtsläufe für jeden Eingang: zu langsam zum Trainieren, und genau richtig "
            "zum Prüfen. Jeder Gradient in diesem Kurs lässt sich so prüfen.",
        ],
        "exercise": "Bestimme die beiden Gradienten von `(a + b) * b**3` bei a=2, b=1 mit dem Taschenrechner "
        'und h=0,01. Vergleiche dann mit `clearprop check "(a + b) * b**3" a=2 b=1`.',
    },
    "tree": {
        "title": "Backpropagation auf einem Baum",
        "text": [
            "Der Gradient eines Knotens ist die Ableitung des Ausgangs nach diesem Knoten. Der Gradient des "
            "Ausgangs selbst ist 1. Von dort gehen wir zurück.",
            "Jeder Knoten multipliziert den Gradienten, der bei ihm ankam, mit seiner lokalen Ableitung, der "
            "Ableitung dessen, was er berechnet, nach einem Eingang, und schickt das Produkt an diesen "
            "Eingang. Das ist die Kettenregel.",
            "Wird jeder Knoten nur einmal benutzt, ist der Graph ein Baum. Dann führt genau ein Weg von "
            "jedem Knoten zum Ausgang, und mehr ist nicht zu bedenken.",
        ],
        "exercise": "Ergänze den Rückwärtslauf von `Multiply` und rufe `clearprop check multiply.py` auf. Es "
        "sagt, was falsch ist, ohne die Lösung zu verraten.",
    },
    "dag": {
        "title": "Backpropagation auf einem Graphen",
        "text": [
            "Hier wird `b` zweimal benutzt. Eine Änderung von `b` erreicht den Ausgang auf zwei Wegen, und "
            "die beiden Wirkungen addieren sich: das ist die Kettenregel für mehrere Veränderliche. Ein "
            "Knoten setzt also den Gradienten seines Eingangs nicht, er addiert dazu.",
            "Die erste der beiden Zeichnungen folgt einem falschen Verfahren: alles, was ankommt, ersetzt, "
            "was da war, wie es auf einem Baum genügen würde. Geh beide Schritt für Schritt durch und sieh, "
            "wo sie sich trennen.",
            "Der Unterschied zwischen beiden Programmen ist ein einziges Zeichen: `=` statt `+=`.",
        ],
        "exercise": "Die Klasse `Value` in `value.py` setzt die Gradienten ihrer Eingänge. Lass sie "
        "addieren, und rufe `clearprop check value.py` auf.",
    },
    "order": {
        "title": "In welcher Reihenfolge",
        "text": [
            "Addieren genügt nicht. Ein Knoten darf seinen Gradienten erst weitergeben, wenn er ihn ganz "
            "hat, also nachdem alle, die ihn benutzen, gesprochen haben. Sonst wird ein Teil zu früh "
            "geschickt und mit dem Rest noch einmal.",
            "Die erste Zeichnung folgt einem Verfahren, das zwar addiert, aber nie wartet: `w` gibt seinen "
            "ersten Beitrag sofort weiter, und danach die Summe aus beiden. So zählt `x` den ersten doppelt.",
            "Die richtige Reihenfolge ist eine topologische Ordnung rückwärts: erst die Benutzer, dann das "
            "Benutzte.",
        ],
        "exercise": "Sage voraus, was das Verfahren, das nicht wartet, aus `w = x**2; y = w * w` bei x=2 "
        'macht. Prüfe es mit `clearprop step "w = x**2; y = w * w" x=2 --algorithm recursive`.',
    },
    "nodes": {
        "title": "Die Knoten",
        "text": [
            "Jede Art von Knoten weiß zwei Dinge: wie ihr Wert berechnet wird, und ihre lokalen Ableitungen. "
            "Mehr muss man über einen Knoten nicht wissen, und kein Knoten muss den Rest des Graphen kennen.",
            "Die Tabelle zeigt die lokalen Ableitungen; `z` ist der Wert des Knotens selbst. Ihre Formeln "
            "hat niemand getippt: sie entstanden, indem die Regeln ausgeführt wurden, die auch die "
            "Gradienten berechnen.",
        ],
        "exercise": "Schreibe den Rückwärtslauf von `Tanh` in `tanh.py` und rufe `clearprop check tanh.py` "
        "auf. Benutze den Wert des Knotens selbst.",
    },
    "matrices": {
        "title": "Vektoren und Matrizen",
        "text": [
            "Ein Knoten kann ein Array halten. Dann hat sein Gradient die Form des Arrays: eine Ableitung "
            "des Ausgangs für jeden Eintrag.",
            "Die lokale Ableitung wäre eine riesige Matrix, die niemand hinschreibt. Die Regel sagt "
            "stattdessen, wie man mit ihr multipliziert. Bei `c = X @ w` bekommt `w` `X.T @ c.grad`, wieder "
            "ein Matrixprodukt.",
            "Wo eine Zahl für viele Einträge benutzt wurde, ist ihr Gradient die Summe über diese. Das ist "
            "nichts Neues: sie wurde ja oft benutzt.",
        ],
        "exercise": "Schreibe den Rückwärtslauf von `MatMul` in `matmul.py` und rufe `clearprop check "
        "matmul.py` auf. Schon die Formen lassen nur eine Möglichkeit zu.",
    },
    "neuron": {
        "title": "Ein Neuron",
        "text": [
            "Ein Neuron multipliziert seine Eingänge mit Gewichten, addiert sie und einen Bias, und biegt "
            "das Ergebnis: `a = tanh(w1*x1 + w2*x2 + b)`. Es ist ein kleiner Graph wie jeder andere.",
            "Geh darin zurück: der Gradient jedes Gewichts ist der Gradient der Summe, mal dem eigenen "
            "Eingang. Ein Gewicht, dessen Eingang 0 ist, lernt aus diesem Beispiel nichts.",
            "Setze `b` auf 5. Das Neuron ist gesättigt: `tanh` ist dort flach, die lokale Ableitung fast 0, "
            "und alle Gradienten dahinter verschwinden.",
        ],
        "exercise": "Für welche Eingänge sind die Gradienten von `w1` und `w2` gleich? Sage es zuerst, und "
        "versuche es dann auf der Seite.",
    },
    "training": {
        "title": "Training",
        "text": [
            "Der Ausgang sei ein Verlust, eine Zahl, die sagt, wie falsch wir liegen, und `w` und `b` seien "
            "Parameter. Ihre Gradienten sagen, in welche Richtung der Verlust wächst. Gradientenabstieg geht "
            "ein wenig in die andere, immer wieder.",
            "Drücke den Knopf und sieh zu: vorwärts, rückwärts, und ein kleiner Schritt jedes Parameters. "
            "Mehr ist Training nicht; große Netze haben mehr Kästen.",
            "Mach nun die Lernrate größer. Zuerst fällt der Verlust schneller. Dann springt er über das Tal "
            "und kommt nicht mehr zur Ruhe.",
        ],
        "exercise": "Finde die größte Lernrate, mit der der Verlust noch bei jedem Schritt fällt. Trainiere "
        "dann ein echtes Netz: `clearprop train digits`.",
    },
    "attention": {
        "title": "Attention",
        "text": [
            "Drei Wörter, jedes eine Zeile von `x`. Jedes Wort stellt eine Frage, seine Query, und jedes "
            "Wort bietet einen Schlüssel an, seinen Key. Die Produkte von Fragen und Schlüsseln sind die "
            "Scores: wie sehr jedes Wort auf jedes andere achtet.",
            "`softmax` macht aus jeder Zeile der Scores Gewichte, die zusammen 1 ergeben, und der Ausgang "
            "ist das gewichtete Mittel der Werte.",
            "Geh zurück und sieh auf `x @ Wv`: der Gradient kommt durch die Gewichte, transponiert. Die "
            "Wörter, auf die am meisten geachtet wurde, lernen am meisten.",
        ],
        "exercise": "Warum wird der Score durch die Wurzel der Größe geteilt? Vergleiche "
        '`clearprop step "softmax(x)[0]" x=[1,2,3]` mit `x=[10,20,30]` und sieh auf die Gradienten.',
    },
    "convolution": {
        "title": "Faltung",
        "text": [
            "Ein kleiner Kern gleitet über das Bild. An jeder Stelle wird er Eintrag für Eintrag mit dem "
            "multipliziert, was unter ihm liegt, und die Produkte werden addiert. Dieser Kern antwortet, wo "
            "Dunkel auf Hell trifft.",
            "Dieselben vier Zahlen werden an neun Stellen benutzt. Der Gradient des Kerns ist deshalb eine "
            "Summe von neun Teilen, einem für jede Stelle: ein Knoten, der oft benutzt wird, wie bisher.",
            "Auch der Gradient des Bildes ist eine Faltung, mit umgedrehtem Kern.",
        ],
        "exercise": "Welcher Eintrag des Kerns hat den größten Gradienten, und welche Stellen des Bildes "
        "haben ihn gemacht? Die Kette der letzten Schritte sagt es.",
    },
    "lstm": {
        "title": "LSTM",
        "text": [
            "Ein Schritt eines LSTM mit einer einzigen Einheit. Vier lineare Schichten haben die Eingabe "
            "gelesen und `f`, `i`, `o` und `g` gemacht. Das Tor `sigmoid(f)` sagt, wie viel von der alten "
            "Zelle bleibt, `sigmoid(i)`, wie viel Neues geschrieben wird, `sigmoid(o)`, wie viel von der "
            "Zelle draußen zu sehen ist.",
            "Sieh auf den Weg von `cell` zurück zu `c`: ein einziges Produkt, mit `keep`. Wo das Tor offen "
            "ist, kann ein Gradient viele Schritte zurückgehen, ohne zu verblassen.",
            "Setze `f` auf -5: das Tor ist zu, und was vorher war, zählt nicht mehr, weder vorwärts noch "
            "rückwärts.",
        ],
        "exercise": "Eine einfache rekurrente Einheit ist `h = tanh(w*x + u*h)`. Womit wird ihr Gradient in "
        "jedem Zeitschritt multipliziert? Warum verblasst er?",
    },
    "batch-norm": {
        "title": "Batch-Normalisierung",
        "text": [
            "Vier Zeilen eines Merkmals. Ihr Mittelwert wird abgezogen, sie werden durch ihre Streuung "
            "geteilt, und dann dürfen zwei Parameter, `gamma` und `beta`, sie wieder strecken und "
            "verschieben.",
            "Auch Mittelwert und Varianz sind Knoten, und jede Zeile wird in ihnen benutzt. Deshalb hängt "
            "der Gradient jeder Zeile von allen ab, und die vier Gradienten von `x` ergeben zusammen 0: alle "
            "Zeilen gemeinsam zu verschieben ändert nichts.",
        ],
        "exercise": "Die Gradienten von `x` ergeben auch dann (fast) 0, wenn jeder mit seinem `normal` "
        "multipliziert wird. Welche Änderung der Zeilen bewirkt also nichts?",
    },
    "dropout": {
        "title": "Dropout",
        "text": [
            "Im Training fallen zufällig gewählte Einträge aus: sie werden mit 0 multipliziert. Die anderen "
            "werden mit 2 multipliziert, damit die Summe im Mittel gleich bleibt.",
            "Was vorwärts mit 0 multipliziert wurde, wird rückwärts mit derselben 0 multipliziert. Eine "
            "Einheit, die ausfiel, spricht in diesem Schritt nicht und lernt nicht.",
            "Im Gebrauch fällt nichts aus, und nichts wird gestreckt.",
        ],
        "exercise": "Was ginge schief, wenn der Rückwärtslauf eine neue Maske zöge? Schreibe den Gradienten "
        "von `w` für einen Eintrag auf, der vorwärts ausfiel.",
    },
    "adam": {
        "title": "Adam",
        "text": [
            "Einfacher Gradientenabstieg benutzt eine Lernrate für alles. Adam führt für jeden Parameter "
            "zwei laufende Mittel: vom Gradienten, und von dessen Quadrat.",
            "Der Schritt ist das erste geteilt durch die Wurzel des zweiten: seine Größe hängt kaum davon "
            "ab, wie groß die Gradienten sind, nur davon, wie einig sie sich sind. Die Divisionen durch "
            "`1 - 0.9**10` gleichen aus, dass die Mittel bei 0 begonnen haben; eine winzige Zahl, ohne die "
            "die letzte Division scheitern könnte, ist weggelassen.",
            "Die Kurven zeigen beide in einem engen Tal, in dem eine Richtung hundertmal steiler ist als die "
            "andere.",
        ],
        "exercise": "Multipliziere `g`, `m` und (mit dem Quadrat) `v` auf der Seite mit 10. Was wird aus "
        "`step`?",
    },
    "rate": {
        "title": "Warum lernt es nicht? Die Lernrate ist zu groß",
        "text": [
            "Der Verlust springt oder wächst. Jeder Schritt geht quer über das Tal und landet auf der "
            "anderen Seite weiter oben.",
            "Abhilfe ist eine kleinere Lernrate. Eine Kurve, die gleichmäßig fällt und dann flach liegt, "
            "ist, was man sehen will.",
        ],
        "exercise": "Bevor du ein Modell änderst, teile seine Lernrate durch zehn und sieh noch einmal hin.",
    },
    "scaling": {
        "title": "Warum lernt es nicht? Die Eingänge sind nicht skaliert",
        "text": [
            "Ein Eingang zählt in Tausendern, der andere in Hundertsteln. Der Gradient des ersten Gewichts "
            "ist dann hunderttausendmal so groß, und keine Lernrate passt für beide.",
            "Abhilfe: von jeder Spalte einmal, vor dem Training, den Mittelwert abziehen und durch die "
            "Streuung teilen.",
        ],
        "exercise": "Gib Mittelwert und Streuung jeder Spalte deiner eigenen Daten aus.",
    },
    "dead": {
        "title": "Warum lernt es nicht? Tote Einheiten",
        "text": [
            "Ist die Summe einer Einheit für jede Zeile negativ, gibt `relu` für alle 0, und auch die lokale "
            "Ableitung ist 0. Kein Gradient kommt an, also kann nichts die Einheit zurückholen.",
            "Hier begannen die Biases weit unter 0. Abhilfe ist eine übliche Initialisierung, und eine "
            "kleinere Lernrate, wenn Einheiten später sterben.",
        ],
        "exercise": "Was würde `leaky_relu` ändern? Sieh auf seine lokale Ableitung.",
    },
    "softmax": {
        "title": "Warum lernt es nicht? Zweimal Softmax",
        "text": [
            "Die Kreuzentropie wendet Softmax selbst an. Ein Modell, das selbst mit Softmax endet, wird "
            "zweimal gestaucht: seine Ausgänge liegen zwischen 0 und 1, und selbst eine vollkommene Antwort "
            "hat einen Verlust weit von 0.",
            "Es lernt, nur langsam und nie gut, und deshalb hält sich dieser Fehler. Abhilfe: das letzte "
            "Softmax weglassen.",
        ],
        "exercise": "Wie klein kann der Verlust bei zwei Klassen werden, wenn Softmax zweimal angewandt "
        "wird?",
    },
    "zero-grad": {
        "title": "Warum lernt es nicht? Ein vergessenes zero_grad()",
        "text": [
            "`backward()` addiert zu den Gradienten, die da sind. Setzt sie niemand auf 0 zurück, benutzt "
            "jeder Schritt die Summe aller bisherigen Gradienten, auch der längst vergangenen.",
            "Die Schritte behalten ihre Richtung, auch wenn das Tal schon überquert ist, und der Verlust "
            "schwingt. Abhilfe ist eine Zeile: `optimizer.zero_grad()` vor jedem Rückwärtslauf.",
        ],
        "exercise": "Das Addieren ist auch nützlich. Wie trainiert man damit mit Batches, die nicht in den "
        "Speicher passen?",
    },
    "unused": {
        "title": "Warum lernt es nicht? Ein Parameter, der nie benutzt wird",
        "text": [
            "`.value` gibt die Zahlen ohne den Graphen. Was davor kommt, bekommt keinen Gradienten, also "
            "behält die erste Schicht für immer ihre ersten Gewichte.",
            "Der Rest lernt vielleicht noch ein wenig, was den Fehler verdeckt. Abhilfe: im Graphen "
            "bleiben, ohne `.value`, `detach()` oder `np.array` auf dem Weg.",
        ],
        "exercise": "Welche Gradienten sind None nach einem `backward()`? Warum ist der Verlust nicht "
        "konstant?",
    },
    "unknown": {
        "title": "Warum lernt es nicht? Parameter, die der Optimierer nicht kennt",
        "text": [
            "Jeder Parameter bekommt seinen Gradienten, aber ein Schritt ändert nur die, die dem Optimierer"
            " gegeben wurden. Hier kennt er einen Bias.",
            "Abhilfe: den Optimierer aus `model.parameters()` machen, wenn das Modell vollständig ist.",
        ],
        "exercise": "Welcher Verlust ist der beste, den ein einzelner Bias erreichen kann?",
    },
    "frozen": {
        "title": "Warum lernt es nicht? Eingefrorene Parameter",
        "text": [
            "`requires_grad_(False)` nimmt Parameter aus dem Graphen: kein Gradient kommt an, und kein "
            "Optimierer bewegt sie.",
            "Das ist für ein Netz gedacht, dessen erste Schichten bleiben sollen. Abhilfe, wo es nicht "
            "gemeint ist: `requires_grad_(True)`.",
        ],
        "exercise": "Wann ist es richtig, alle Schichten außer der letzten einzufrieren?",
    },
    "vanishing": {
        "title": "Warum lernt es nicht? Verschwindende Gradienten",
        "text": [
            "Die Steigung eines Sigmoids ist höchstens 0,25. Sechs davon hintereinander nehmen den "
            "Gradienten jeweils mal weniger als 0,25, und bei den ersten Schichten kommt fast nichts an.",
            "Abhilfe: eine Aktivierung, deren Steigung bei kleinen Eingängen 1 ist, Normalisierung, oder "
            "Abkürzungen um Schichten herum.",
        ],
        "exercise": "Wie klein ist 0,25 hoch 6?",
    },
    "exploding": {
        "title": "Warum lernt es nicht? Explodierende Gradienten",
        "text": [
            "Viel zu große Gewichte lassen jede Schicht vervielfachen, was durch sie geht, vorwärts wie "
            "rückwärts. Die Zahlen wachsen von Schicht zu Schicht.",
            "Ein Schritt wirft die Gewichte dann weit weg. Abhilfe: Anfangsgewichte, die die Größe der "
            "Zahlen erhalten (`nn.init`), Normalisierung, oder begrenzte Gradienten.",
        ],
        "exercise": "Acht Einheiten mit Gewichten der Streuung 8: um wie viel vergrößert eine Schicht ihre "
        "Eingänge?",
    },
    "symmetric": {
        "title": "Warum lernt es nicht? Alle Einheiten gleich",
        "text": [
            "Einheiten mit gleichen Gewichten berechnen dasselbe, bekommen denselben Gradienten und bleiben"
            " nach jedem Schritt gleich. Eine Schicht aus acht ist so viel wert wie eine einzige.",
            "Abhilfe: zufällige Anfangsgewichte, wie die Schichten sie selbst machen.",
        ],
        "exercise": "Warum schadet es nicht, dass alle Biases bei 0 beginnen?",
    },
    "saturated": {
        "title": "Warum lernt es nicht? Gesättigte Einheiten",
        "text": [
            "Wo die Eingänge von `tanh` groß sind, ist es flach: die Steigung `1 - z**2` ist fast 0, und "
            "fast kein Gradient kommt hindurch.",
            "Abhilfe: skalierte Eingänge, kleinere Anfangsgewichte, oder ReLU, das nur auf einer Seite "
            "flach ist.",
        ],
        "exercise": "Ab welchem Eingang ist die Steigung von `tanh` kleiner als 0,02?",
    },
    "flat": {
        "title": "Warum lernt es nicht? Ein Verlust ohne Steigung",
        "text": [
            "Fehler zu zählen ist fast überall flach: ein kleiner Schritt der Gewichte ändert keine Anzahl,"
            " also ist jeder Gradient 0.",
            "Abhilfe: ein glatter Verlust, der wächst, je falscher eine Antwort ist, wie die Kreuzentropie "
            "oder das Scharnier.",
        ],
        "exercise": "Zeichne die Anzahl und das Scharnier als Funktionen des Abstands.",
    },
    "nan": {
        "title": "Warum lernt es nicht? Ein NaN in den Daten",
        "text": [
            "Eine Zahl, die keine ist, macht den Verlust zu NaN, dann jeden Gradienten, und mit dem ersten "
            "Schritt jedes Gewicht.",
            "Abhilfe: die Zeile weglassen, oder füllen, was fehlt, etwa mit dem Median der Spalte.",
        ],
        "exercise": "Nach welchem Schritt ist kein Gewicht mehr eine Zahl?",
    },
    "targets": {
        "title": "Warum lernt es nicht? Zielwerte, die nicht skaliert sind",
        "text": [
            "Der quadratische Fehler von Zahlen in den Tausenden geht in die Millionen, und sein Gradient "
            "ebenso. Schritte einer Größe, die zu üblichen Netzen passt, kommen nirgends an.",
            "Abhilfe: auf Zielwerte mit Mittelwert 0 und Streuung 1 trainieren, und die Vorhersagen "
            "zurückrechnen.",
        ],
        "exercise": "Um wie viel wächst der quadratische Fehler, wenn die Zielwerte in Metern statt in "
        "Kilometern stehen?",
    },
    "one-class": {
        "title": "Warum lernt es nicht? Nur eine Klasse",
        "text": [
            "Sind alle Labels gleich, lernt das Modell, das zu sagen, und nichts sonst. Der Verlust fällt "
            "auf 0, was nach Erfolg aussieht.",
            "Abhilfe: Daten mit Beispielen jeder Klasse, und vor dem Training ein Blick auf die Anzahlen.",
        ],
        "exercise": "Was würde dieses Modell von einer Zeile einer anderen Klasse sagen?",
    },
    "likelihood": {
        "title": "Warum lernt es nicht? NLLLoss ohne Log-Softmax",
        "text": [
            "`NLLLoss` nimmt Logarithmen von Wahrscheinlichkeiten. Bei anderen Zahlen hat er keine untere "
            "Grenze: der Verlust fällt für immer und bedeutet nichts.",
            "Abhilfe: `CrossEntropyLoss`, oder `LogSoftmax` als letzte Schicht.",
        ],
        "exercise": "Was ist der kleinste Wert, den die Kreuzentropie haben kann?",
    },
    "sigmoid": {
        "title": "Warum lernt es nicht? Zweimal Sigmoid",
        "text": [
            "Der Verlust wendet das Sigmoid selbst an. Zweimal angewandt verlässt keine Antwort den Bereich"
            " von 0,5 bis 0,73, und selbst eine richtige wird bestraft.",
            "Abhilfe: das letzte `Sigmoid` weglassen, oder `BCELoss` nehmen.",
        ],
        "exercise": "Was ist das Sigmoid von 0 und von 1?",
    },
    "guessing": {
        "title": "Warum lernt es nicht? Schlechter als geraten",
        "text": [
            "Die Gewichte der letzten Schicht sind so groß, dass das Modell sich seiner Antworten sicher "
            "ist, bevor es etwas gelernt hat, und die Hälfte ist falsch.",
            "Die ersten Schritte machen nur das rückgängig. Abhilfe: kleinere Anfangsgewichte, und ein "
            "Blick, ob Zeilen und Labels zusammengehören.",
        ],
        "exercise": "Welchen Verlust hat ein Modell, das allen n Klassen die gleiche Chance gibt?",
    },
    "linear": {
        "title": "Warum lernt es nicht? Schichten ohne Aktivierung",
        "text": [
            "Zwei lineare Schichten hintereinander sind eine lineare Schicht: `(x @ A) @ B` ist `x @ (A @ "
            "B)`. Was keine Gerade trennt, hier das Vorzeichen eines Produkts, bleibt unerreichbar.",
            "Abhilfe: eine Aktivierung dazwischen.",
        ],
        "exercise": "Wo gehen die Kurven auseinander, und warum bleibt die falsche bei etwa 0,69 stehen?",
    },
    "slow": {
        "title": "Warum lernt es nicht? Eine zu kleine Lernrate",
        "text": [
            "Jeder Schritt geht in die richtige Richtung, und keiner geht weit. Der Verlust fällt so "
            "langsam, dass er stillzustehen scheint.",
            "Abhilfe: größere Schritte, jeweils das Zehnfache, bis der Verlust schwingt; dann etwas weniger.",
        ],
        "exercise": "Wie viele solche Schritte führen so weit wie einer mit der reparierten Rate?",
    },
    "overflow": {
        "title": "Warum lernt es nicht? Zahlen, die überlaufen",
        "text": [
            "`exp` von mehr als 88 ist in float32 unendlich, und unendlich durch unendlich ist keine Zahl. "
            "Von da breitet sich NaN überallhin aus.",
            "Abhilfe: zuerst den größten Exponenten abziehen, was am Quotienten nichts ändert. "
            "`CrossEntropyLoss` tut das selbst.",
        ],
        "exercise": "Warum ändert es am Softmax nichts, von allen dieselbe Zahl abzuziehen?",
    },
}

WORDS = {
    "course": "Backpropagation, Schritt für Schritt",
    "about": "Ein Kurs aus Seiten, die kein Netz brauchen. Jeder Graph ist lebendig: geh ihn durch, ändere "
    "seine Eingänge, beantworte das Quiz. Jede Seite lässt sich als Folien zeigen und drucken.",
    "basics": "Die Vorlesung",
    "networks": "Teile von Netzen",
    "troubles": "Warum lernt es nicht?",
    "contents": "Inhalt",
    "previous": "Zurück",
    "next": "Weiter",
    "slides": "Folien",
    "notes": "Notizen",
    "notes slide": "Folie {n} von {all}",
    "notes next": "Als Nächstes: {z}",
    "notes since": "{minutes} Minuten seit Beginn",
    "print": "Drucken",
    "handout": "Arbeitsblatt",
    "watch": "Schritt für Schritt",
    "python": "Dasselbe in Python",
    "exercise": "Aufgabe",
    "file": "Die Datei zum Ausfüllen",
    "save": "{file} speichern",
    "grade": "Bewerten mit",
    "keys": "{f} Folien, {notes} ein Fenster mit Notizen, {n} und {p} nächste und vorige Folie, {left} "
    "{right} Schritte des Graphen, {escape} beendet die Folien.",
    "numerical": "Probier es aus",
    "input": "Eingang",
    "quotient": "Differenzenquotient",
    "exact": "Backpropagation sagt",
    "error": "Fehler",
    "descent": "Bergab",
    "rate": "Lernrate",
    "one step": "Ein Schritt",
    "ten steps": "Zehn Schritte",
    "start again": "Von vorn",
    "loss after": "Nach {n} Schritten ist der Verlust {loss}.",
    "node": "Knoten",
    "nodes": "Was jede Art schickt",
    "derivatives": "lokale Ableitungen, durch Ausführen der Regel gewonnen",
    "curves": "Sieh dem Training zu",
    "loss": "Verlust",
    "broken": "so wie es ist",
    "mended": "repariert",
    "at step": "Schritt {n}: {values}",
    "not finite": "nicht endlich",
    "doctor": "Was der Doktor sagt",
    "doctor about": "`clearprop.doctor(model, (x, y), loss, optimizer, step=step)` hat dies selbst gefunden:",
    "questions": "Fragen",
    "answers": "Antworten",
    "name": "Name",
    "every step": "Jeder Schritt",
    "solve": "Trage die Gradienten aller Knoten ein.",
}

REMARKS = {
    "c = a * b, of two nodes.": "c = a * b, aus zwei Knoten.",
    "Pass self.grad on: add to self.a.grad and to self.b.grad what each of them receives.": "Gib self.grad "
    "weiter: addiere zu self.a.grad und zu self.b.grad, was jeder von ihnen bekommt.",
    "A number in a graph: Value(2.0) is an input, a + b and a * b make new nodes.": "Eine Zahl in einem "
    "Graphen: Value(2.0) ist ein Eingang, a + b und a * b machen neue Knoten.",
    "the local derivative for each input": "die lokale Ableitung für jeden Eingang",
    "one sign is wrong in this line": "in dieser Zeile ist ein Zeichen falsch",
    "z = tanh(a), of a node.": "z = tanh(a), aus einem Knoten.",
    "Add to self.a.grad what it receives. The local derivative is 1 - z*z.": "Addiere zu self.a.grad, was es "
    "bekommt. Die lokale Ableitung ist 1 - z*z.",
    "C = A @ B, of two nodes that hold matrices.": "C = A @ B, aus zwei Knoten, die Matrizen halten.",
    "Add to self.a.grad and to self.b.grad what each receives: products with self.grad.": "Addiere zu "
    "self.a.grad und zu self.b.grad, was jeder bekommt: Produkte mit self.grad.",
    "three words, two numbers each": "drei Wörter, zwei Zahlen für jedes",
    "bright on the right, dark on the left": "rechts hell, links dunkel",
    "one image of one channel": "ein Bild mit einem Kanal",
    "what four linear layers made of x and h": "was vier lineare Schichten aus x und h gemacht haben",
    "the cell so far": "die Zelle bis hierher",
    "one feature of four rows": "ein Merkmal von vier Zeilen",
    "the gradient, its average, the average of its square": "der Gradient, sein Mittel, das Mittel seines "
    "Quadrats",
    "the tenth step, lr=0.1": "der zehnte Schritt, lr=0.1",
}
"""What stands beside the lines of code, by the English words."""
