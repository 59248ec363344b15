"""The derivation of a recurrent network: that of its cell at every step, and what goes from step to step.

At step t a cell reads x and the states P (and Q) before the step, and makes the states H (and C) after it. Networks of
one scan call these by their letters; where there are more, each has its name behind the letter: H_l0, H_l0_reverse.
"""

import sys

AFTER, BEFORE = dict(h="H", c="C"), dict(h="P", c="Q")


def derivation(network, lengths=False):
    """The text; with `lengths`, of sequences that end by themselves."""
    return "\n".join(f"    {line}" for line in Told(network, lengths).lines())


class Told:
    """A network in lines."""

    def __init__(self, network, lengths):
        self.network, self.lengths = network, lengths
        self.states = [slot.name for slot in network.states]
        self.units = {slot.name: slot.axes[-1] for slot in network.states}
        self.runs = [Run(self, k) for k in range(network.runs)]
        self.letter = {name: "v" if axis == "k" else "j" for name, axis in self.units.items()}
        self.wide = "o" if network.runs > 1 else self.letter["h"]  # runs over what a layer shows
        self.end = "lengths[e]" if lengths else "T"

    def lines(self):
        yield from self.cases()
        yield "for t in t"
        if self.network.runs > 1:
            yield f"for o in {self.network.directions}*{self.units['h']}"
        yield f"for f in {self.network.runs}"
        yield "let T = t"
        for layer in range(self.network.num_layers):
            runs = [self.runs[k] for k in self.network.of(layer)]
            for run in runs:
                yield from run.forwards()
            what = "  # what the next layer reads" if layer + 1 < self.network.num_layers else ""
            yield f"let {self.below(layer + 1)} = {self.shown(layer, runs)}{what}"
        yield from self.ends()
        for run in reversed(self.runs):
            yield from run.backwards()
            if run.layer and not run.back:
                yield f"let g{self.below(run.layer)} = {self.read_by(run.layer, self.wide)}  # from the layer above"
        yield from self.chains()

    def cases(self):
        k = f", k={self.network.proj_size}" if getattr(self.network, "proj_size", 0) else ""
        if self.lengths:
            yield f"at t=2, n=1, m=1{k}, batch=(2,), lengths=[1, 2]"
            yield f"at t=3, n=2, m=1{k}, batch=(3,), lengths=[2, 0, 3]"
        else:
            yield f'at t=2, n=1, m=1{k}, without=("lengths",)'
            yield f'at t=3, n=1, m=2{k}, batch=(2,), without=("lengths", "mask")'

    # Places.

    def place(self, t, unit):
        """Where an element of x, y or the mask stands."""
        return f"e,{t},{unit}" if self.network.batch_first else f"{t},e,{unit}"

    def turn(self, back):
        """The step that is read at step t."""
        return f"{self.end}-1-t" if back else "t"

    def while_it_runs(self, formula):
        """Nothing, once a sequence has ended."""
        return f"{formula} if t < lengths[e] else 0" if self.lengths else formula

    # What goes from layer to layer.

    def below(self, layer):
        """What the layer reads; above the last one, the output."""
        last = layer == self.network.num_layers
        return f"y[{self.place('t', self.wide)}]" if last else f"Y_l{layer - 1}[t,e,{self.wide}]"

    def shown(self, layer, runs):
        o, m = self.wide, self.units["h"]
        formula = f"{runs[0].H}[t,e,{o}]"
        if self.network.bidirectional:
            formula = f"{formula} if {o} < {m} else {runs[1].H}[{self.turn(True)},e,{o}-{m}]"
        if layer + 1 < self.network.num_layers:
            formula = f"mask[{layer},{self.place('t', o)}]*({formula})"
        return self.while_it_runs(f"({formula})" if self.lengths else formula)

    def read_by(self, layer, letter):
        """The gradient of what a layer reads, from all its directions."""
        runs = [self.runs[k] for k in self.network.of(layer)]
        return " + ".join(f"gX{run.name}[{self.turn(run.back)},e,{letter}]" for run in runs)

    def ends(self):
        """The last states, one row for every run."""
        for name in self.states:
            rows = [f"{run.before(name)}[T,e,{self.letter[name]}]" for run in self.runs]
            cases = "".join(f"{row} if f == {k} else " for k, row in enumerate(rows[:-1]))
            yield f"let {name}1[f,e,{self.letter[name]}] = {cases}{rows[-1]}  # after the last step"
        if self.taught():
            i, place = self.letter["h"], self.place("t", self.letter["h"])
            last = " + ".join(f"sum(e, {j}, g{s}1[0,e,{j}]*{s}1[0,e,{j}])" for s, j in self.letter.items())
            yield f"let L = sum(t, e, {i}, gy[{place}]*y[{place}]) + {last}  # all outputs, weighed by their gradients"

    # What is derived.

    def taught(self):
        """One scan forwards is small enough for lines about its steps."""
        return self.network.runs == 1 and not self.lengths

    def chains(self):
        if self.taught():
            steps = self.network.steps.strip("\n").replace("gy[0,e,", f"gy[{self.place(0, '')}")
            yield from steps.splitlines()
        if not self.runs[0].direct():
            yield f"vjp gx[{self.place('t', 'i')}]"
            both = f"({self.read_by(0, 'i')})" if self.lengths else self.read_by(0, "i")
            yield f"  = {self.while_it_runs(both)}  # {BOTH if self.network.bidirectional else OWN}"
        for run in self.runs:
            for name in self.states:
                j = self.letter[name]
                past = f" if lengths[e] > 0 else g{name}1[{run.k},e,{j}]" if self.lengths else ""
                yield f"vjp g{name}[{run.k},e,{j}]"
                yield f"  = g{run.before(name)}[0,e,{j}]{past}  # through the first step"


OWN, BOTH = "every step by itself", "both directions read x"


class Run:
    """The k-th scan: a layer in one direction."""

    def __init__(self, told, k):
        self.told, self.k = told, k
        self.layer, self.back = divmod(k, told.network.directions)
        self.name = f"_l{self.layer}{'_reverse' * self.back}" if told.network.runs > 1 else ""
        self.H = f"H{self.name}"

    def before(self, state):
        return BEFORE[state] + self.name

    def after(self, state):
        return AFTER[state] + self.name

    def direct(self):
        """Does its first layer read x as it is, and nobody else?"""
        return self.told.network.runs == 1 and not self.told.network.batch_first

    def forwards(self):
        told, letter = self.told, "o" if self.layer else "i"
        if not self.direct():
            place = f"x[{told.place(told.turn(self.back), 'i')}]"
            source = f"Y_l{self.layer - 1}[{told.turn(self.back)},e,o]" if self.layer else place
            source = told.while_it_runs(source) if self.back else source
            yield f"let X{self.name}[t,e,{letter}] = {source}  # what is read at step t"
        for state in told.states:
            yield self.remembered(state)
        yield f"use {self.cell()}[t]{' as ' * bool(self.name)}{self.name[1:]} with {', '.join(self.words())}"

    def remembered(self, state):
        """The state before step t: a sequence that has ended keeps its own."""
        j, before, after = self.told.letter[state], self.before(state), self.after(state)
        stays = f" if t <= lengths[e] else {before}[t-1,e,{j}]" if self.told.lengths else ""
        return (
            f"let {before}[t,e,{j}] = {state}[{self.k},e,{j}] if t == 0 else {after}[t-1,e,{j}]{stays}"
            f"  # {state} before step t"
        )

    def cell(self):
        """The public rule that the cell is, with the hyperparameters that differ."""
        cell = self.told.network.cell
        public = next(rule for rule in vars(sys.modules[type(cell).__module__]).values() if type(rule) is type(cell))
        own = [f"{name}={value!r}" for name, value in cell.options.items() if value != public.options[name]]
        return public.name + (f"({', '.join(own)})" if own else "")

    def words(self):
        """The cell's letters, and what they are here."""
        yield "x=x[t]" if self.direct() else f"x=X{self.name}[t], gx=gX{self.name}"
        if self.layer:
            yield "i=o"
        for s in self.told.states:
            before, after = self.before(s), self.after(s)
            yield f"{s}={before}[t], {s}1={after}, g{s}1=g{after}[t], g{s}=g{before}"
        for slot in self.told.network.cell.shapes.params:
            yield f"{slot.name}={slot.name}_l{self.layer}{'_reverse' * self.back}"

    def backwards(self):
        """What arrives at the states after step t: from above, and from the next step."""
        told = self.told
        for state in told.states:
            j, k = told.letter[state], self.k
            later = f"g{state}1[{k},e,{j}] if t == {told.end}-1 else g{self.before(state)}[t+1,e,{j}]"
            found = f"{self.from_above()} + ({later})" if state == "h" else later
            running = told.while_it_runs(f"({found})" if told.lengths else found)
            arrives = "from above, and from the next step" if state == "h" else "from the next step"
            yield f"let g{self.after(state)}[t,e,{j}] = {running}  # {arrives}"

    def from_above(self):
        told = self.told
        unit = f"{told.units['h']}+{told.letter['h']}" if self.back else told.letter["h"]
        t = told.turn(self.back)
        if self.layer + 1 == told.network.num_layers:
            return f"gy[{told.place(t, unit)}]"
        return f"mask[{self.layer},{told.place(t, unit)}]*gY_l{self.layer}[{t},e,{unit}]"
