"""All hypotheses in the order of belief: the more special, the earlier; what fits everything comes last."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from pullback.check.faults import FAULTS
from pullback.check.hypotheses import (
    arguments,
    factors,
    mends,
    outputs,
    places,
    products,
    slopes,
    steps,
    sums,
    symmetric,
    terms,
    through_time,
    whole,
)
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import same

Array = NDArray[Any]
Test = Callable[[Evidence], Says]

TABLE: tuple[tuple[Test, tuple[str, ...]], ...] = (
    (mends.written_over, ("overwrite_vs_accumulate", "bptt_time")),
    (mends.less_rounded, ("low_precision_accumulation", "missing_chain_factor")),
    (mends.in_full_precision, ("low_precision_accumulation",)),
    (mends.conjugated, ("complex_conjugate",)),
    (whole.cancels, ("reduction_broadcast", "missing_jacobian_term")),
    (whole.vanishes, ("missing_jacobian_term", "index_routing", "higher_order")),
    (whole.flipped, ("sign",)),
    (whole.sign_of_some, ("sign", "wrong_local_derivative")),
    (terms.examples_not_read, ("mode_mismatch", "index_routing")),
    (terms.never_read, ("index_routing", "mode_mismatch")),
    (terms.own_upstream, ("index_routing", "transpose_or_adjoint", "missing_upstream_grad")),
    (places.shifted_window, ("conv_geometry", "index_routing")),
    (places.shifted, ("index_routing", "conv_geometry")),
    (through_time.forwards, ("bptt_time", "transpose_or_adjoint")),
    (terms.other_triangle, ("transpose_or_adjoint", "index_routing")),
    (whole.index_adjoint, ("index_routing", "transpose_or_adjoint")),
    (whole.adjoint, ("transpose_or_adjoint", "index_routing")),
    (whole.factor, ("constant_factor", "reduction_broadcast")),
    (places.exchanged_ends, ("index_routing", "transpose_or_adjoint", "conv_geometry")),
    (arguments.left_out, ("missing_chain_factor", "saved_wrong_tensor")),
    (arguments.mask_forgotten, ("mode_mismatch", "missing_chain_factor")),
    (arguments.cut_off, ("missing_jacobian_term",)),
    (arguments.twice, ("missing_chain_factor", "saved_wrong_tensor")),
    (arguments.conjugated, ("complex_conjugate",)),
    (arguments.negated, ("sign",)),
    (arguments.another, ("saved_wrong_tensor", "index_routing")),
    (arguments.transposed, ("transpose_or_adjoint", "index_routing")),
    (products.other_side, ("transpose_or_adjoint", "index_routing")),
    (arguments.kernel_flipped, ("conv_geometry", "index_routing")),
    (arguments.reversed_, ("index_routing", "conv_geometry")),
    (arguments.a_step_off, ("bptt_time", "index_routing")),
    (arguments.rolled, ("index_routing",)),
    (arguments.kept_wrongly, ("saved_wrong_tensor", "missing_chain_factor")),
    (arguments.kept_without_a_factor, ("missing_chain_factor", "saved_wrong_tensor")),
    (whole.mean_of_some, ("constant_factor", "reduction_broadcast")),
    (whole.moving_factor, ("missing_chain_factor", "saved_wrong_tensor")),
    (slopes.evaluated_at_output, ("saved_wrong_tensor",)),
    (slopes.passed_through, ("missing_chain_factor", "wrong_local_derivative")),
    (whole.moves_nothing, ("wrong_local_derivative", "missing_chain_factor")),
    (whole.of_logits, ("mode_mismatch", "missing_jacobian_term")),
    (whole.another_axis, ("reduction_broadcast", "transpose_or_adjoint")),
    (slopes.other_side, ("index_routing", "mode_mismatch")),
    (slopes.unmasked, ("missing_chain_factor", "mode_mismatch")),
    (slopes.at_one_place, ("saved_wrong_tensor", "index_routing", "bptt_time")),
    (slopes.first_slice, ("bptt_time", "index_routing")),
    (slopes.input_for_output, ("saved_wrong_tensor", "wrong_local_derivative")),
    (slopes.holds_a_tensor, ("saved_wrong_tensor", "wrong_local_derivative")),
    (symmetric.above, ("transpose_or_adjoint", "index_routing")),
    (places.outputs_moved, ("index_routing", "transpose_or_adjoint")),
    (whole.mixed_signs, ("sign", "wrong_local_derivative")),
    (slopes.one_path, ("wrong_local_derivative", "missing_jacobian_term")),
    (slopes.stands_for_a_constant, ("saved_wrong_tensor", "wrong_local_derivative")),
    (slopes.shifted, ("mode_mismatch", "wrong_local_derivative")),
    (slopes.scaled, ("wrong_local_derivative", "sign")),
    (slopes.wrong_where_zero, ("wrong_local_derivative", "mode_mismatch")),
    (whole.moved_axes, ("transpose_or_adjoint", "reduction_broadcast")),
    (mends.inverted, ("wrong_local_derivative", "mode_mismatch")),
    (sums.only_first_output, ("missing_upstream_grad", "reduction_broadcast")),
    (places.copied_place, ("index_routing", "reduction_broadcast")),
    (places.copied_tensor, ("saved_wrong_tensor", "index_routing")),
    (mends.term_computed, ("overwrite_vs_accumulate", "missing_jacobian_term")),
    (mends.slope_term, ("wrong_local_derivative", "missing_jacobian_term")),
    (factors.factor_stays, ("missing_chain_factor", "saved_wrong_tensor")),
    (sums.summed_over, ("reduction_broadcast",)),
    (sums.summed_before, ("reduction_broadcast", "missing_chain_factor")),
    (sums.one_slice, ("reduction_broadcast", "overwrite_vs_accumulate")),
    (through_time.last_step_only, ("bptt_time", "missing_jacobian_term")),
    (terms.one_use, ("overwrite_vs_accumulate", "missing_jacobian_term")),
    (products.one_factor_of_two, ("missing_chain_factor", "saved_wrong_tensor")),
    (products.term_negated, ("sign", "missing_jacobian_term")),
    (terms.inner_slope, ("missing_chain_factor", "wrong_local_derivative")),
    (terms.penalty, ("constant_factor", "missing_jacobian_term")),
    (steps.other_flag, ("mode_mismatch", "missing_chain_factor")),
    (steps.masked, ("mode_mismatch", "missing_jacobian_term")),
    (steps.statistics_held, ("mode_mismatch", "missing_jacobian_term")),
    (terms.diagonal_only, ("missing_jacobian_term",)),
    (outputs.output_dropped, ("missing_jacobian_term", "bptt_time", "missing_upstream_grad")),
    (through_time.last_output_only, ("bptt_time", "missing_upstream_grad")),
    (outputs.outputs_silent, ("missing_jacobian_term", "overwrite_vs_accumulate", "index_routing")),
    (outputs.last_of_the_outputs, ("overwrite_vs_accumulate", "missing_jacobian_term", "index_routing")),
    (terms.last_of_an_index, ("overwrite_vs_accumulate", "index_routing")),
    (terms.where_an_index_repeats, ("overwrite_vs_accumulate", "index_routing")),
    (terms.one_of_several, ("overwrite_vs_accumulate", "index_routing")),
    (mends.turned, ("transpose_or_adjoint", "index_routing")),
    (steps.negated, ("sign",)),
    (steps.back_in_time, ("bptt_time", "missing_jacobian_term")),
    (steps.turn_left_out, ("index_routing", "missing_jacobian_term", "edge_shape")),
    (steps.turn_not_added, ("missing_jacobian_term", "index_routing", "edge_shape")),
    (steps.another_turn, ("bptt_time", "saved_wrong_tensor")),
    (steps.slope_in_time, ("bptt_time", "missing_chain_factor")),
    (steps.use_lost, ("overwrite_vs_accumulate", "missing_jacobian_term")),
    (steps.term_of_a_slope, ("wrong_local_derivative", "missing_jacobian_term")),
    (steps.path_lost, ("missing_jacobian_term", "overwrite_vs_accumulate")),
    (mends.term_more, ("missing_jacobian_term", "overwrite_vs_accumulate")),
    (steps.variance_otherwise, ("mode_mismatch", "constant_factor")),
    (steps.another_constant, ("mode_mismatch", "wrong_local_derivative")),
    (steps.scaled_slope, ("wrong_local_derivative", "constant_factor")),
    (steps.scaled, ("constant_factor", "missing_chain_factor")),
    (steps.constant_lost, ("constant_factor", "missing_chain_factor")),
    (steps.slope_of_a_slope, ("wrong_local_derivative", "missing_chain_factor")),
    (steps.factor_lost, ("missing_chain_factor", "wrong_local_derivative")),
    (steps.factor_twice, ("missing_chain_factor", "saved_wrong_tensor")),
    (steps.another_array, ("saved_wrong_tensor", "missing_chain_factor")),
    (steps.transposed, ("transpose_or_adjoint", "saved_wrong_tensor")),
    (steps.other_axes, ("reduction_broadcast", "missing_jacobian_term")),
    (mends.negated, ("sign", "wrong_local_derivative")),
    (mends.one_too_many, ("overwrite_vs_accumulate", "missing_jacobian_term")),
    (mends.another_branch, ("wrong_local_derivative", "saved_wrong_tensor")),
    (mends.slope_at_output, ("saved_wrong_tensor", "wrong_local_derivative")),
    (mends.another_slope, ("wrong_local_derivative", "saved_wrong_tensor")),
    (mends.another_whole, ("saved_wrong_tensor", "missing_chain_factor")),
    (places.copied_otherwise, ("mode_mismatch", "index_routing")),
    (places.within_window, ("index_routing", "conv_geometry")),
    (places.unfolded, ("index_routing", "missing_jacobian_term")),
    (places.in_other_places, ("transpose_or_adjoint", "index_routing")),
    (symmetric.half_above, ("missing_jacobian_term", "transpose_or_adjoint", "constant_factor")),
    (symmetric.result, ("transpose_or_adjoint", "missing_jacobian_term")),
    (symmetric.argument, ("transpose_or_adjoint", "missing_jacobian_term")),
    (terms.upstream_along_another_axis, ("reduction_broadcast", "index_routing")),
    (places.moved_window, ("conv_geometry", "index_routing")),
    (places.moved, ("index_routing", "transpose_or_adjoint")),
    (places.averaged_otherwise, ("mode_mismatch", "conv_geometry")),
    (places.interpolated, ("mode_mismatch", "conv_geometry")),
    (places.slid, ("conv_geometry", "index_routing")),
    (whole.right_with_other_numbers, ("kink_convention", "wrong_local_derivative")),
    (whole.right_elsewhere, ("edge_shape", "conv_geometry")),
    (places.pooled_elsewhere, ("index_routing", "conv_geometry")),
    (terms.future_seen, ("mode_mismatch", "bptt_time")),
    (places.whole_window, ("mode_mismatch", "index_routing")),
    (places.moved_or_lost, ("index_routing", "overwrite_vs_accumulate")),
    (terms.training_statistics, ("mode_mismatch", "missing_jacobian_term")),
    (terms.coupled, ("reduction_broadcast", "missing_jacobian_term")),
    (places.right_in_total, ("index_routing", "conv_geometry")),
    (terms.stray, ("index_routing", "mode_mismatch")),
    (products.another_factor, ("saved_wrong_tensor", "index_routing")),
    (products.factor_lost, ("missing_chain_factor", "saved_wrong_tensor")),
    (terms.sum_over_all, ("reduction_broadcast", "index_routing", "missing_jacobian_term")),
    (terms.mask_ignored, ("mode_mismatch", "index_routing")),
    (terms.counted_otherwise, ("index_routing", "overwrite_vs_accumulate")),
    (terms.fewer_terms, ("index_routing", "overwrite_vs_accumulate", "missing_jacobian_term")),
    (through_time.factors_swapped, ("bptt_time", "transpose_or_adjoint")),
    (through_time.steps_not_read, ("bptt_time", "overwrite_vs_accumulate")),
    (sums.output_ignored, ("overwrite_vs_accumulate", "missing_jacobian_term", "aliasing_inplace")),
    (terms.one_of_alike, ("overwrite_vs_accumulate", "missing_chain_factor")),
    (places.outputs_mixed, ("missing_chain_factor", "index_routing")),
    (products.one_for_another, ("saved_wrong_tensor", "missing_chain_factor")),
    (sums.weighted_sum, ("reduction_broadcast", "missing_chain_factor")),
    (products.numbers_elsewhere, ("index_routing", "saved_wrong_tensor")),
    (mends.another_index, ("index_routing", "conv_geometry")),
    (mends.backwards_in_time, ("bptt_time", "index_routing")),
    (mends.backwards, ("index_routing", "bptt_time")),
    (mends.made_symmetric, ("transpose_or_adjoint", "missing_jacobian_term")),
    (mends.other_letters, ("transpose_or_adjoint", "index_routing")),
    (mends.another_order, ("index_routing", "transpose_or_adjoint")),
    (mends.slope_scaled, ("wrong_local_derivative", "constant_factor")),
    (mends.scaled, ("constant_factor", "missing_chain_factor")),
    (mends.another_array, ("saved_wrong_tensor", "missing_chain_factor")),
    (mends.step_left_out, ("missing_chain_factor", "saved_wrong_tensor")),
    (mends.slope_factor, ("wrong_local_derivative", "missing_chain_factor")),
    (mends.factor_more, ("missing_chain_factor", "wrong_local_derivative")),
    (mends.factor_less, ("missing_chain_factor", "saved_wrong_tensor")),
    (mends.another_operation, ("wrong_local_derivative", "sign")),
    (mends.another_condition, ("wrong_local_derivative", "mode_mismatch")),
    (mends.count_in_a_term, ("missing_jacobian_term", "constant_factor")),
    (mends.another_count, ("constant_factor", "missing_jacobian_term")),
    (mends.another_size, ("reduction_broadcast", "constant_factor")),
    (mends.another_number, ("wrong_local_derivative", "mode_mismatch")),
    (mends.turns_in_time, ("bptt_time", "missing_jacobian_term")),
    (mends.turns_of_windows, ("conv_geometry", "missing_jacobian_term")),
    (mends.turns_of_places, ("index_routing", "missing_jacobian_term", "edge_shape")),
    (mends.other_turns, ("missing_jacobian_term", "index_routing", "edge_shape")),
    (mends.from_the_other_end, ("transpose_or_adjoint", "index_routing")),
    (mends.moved, ("index_routing", "conv_geometry")),
    (mends.summed_otherwise, ("reduction_broadcast", "missing_jacobian_term")),
    (mends.whole_term, ("missing_jacobian_term", "overwrite_vs_accumulate")),
    (mends.silenced, ("wrong_local_derivative", "missing_jacobian_term")),
    (steps.slope_by_elements, ("wrong_local_derivative", "missing_chain_factor")),
    (factors.of_its_exponential, ("mode_mismatch", "missing_chain_factor")),
    (factors.along_another_axis, ("reduction_broadcast", "missing_chain_factor")),
    (factors.factor_of_itself, ("missing_chain_factor", "saved_wrong_tensor")),
    (factors.chain_factor, ("missing_chain_factor", "reduction_broadcast")),
    (products.term_lost, ("missing_jacobian_term", "missing_chain_factor")),
    (factors.path_scaled, ("missing_jacobian_term", "missing_chain_factor")),
    (factors.path_factor, ("missing_chain_factor", "missing_jacobian_term")),
    (terms.sum_not_kept, ("missing_jacobian_term", "missing_chain_factor")),
    (terms.parallel, ("missing_jacobian_term", "missing_chain_factor")),
    (terms.low_rank, ("missing_jacobian_term", "missing_chain_factor")),
    (through_time.some_steps, ("bptt_time",)),
    (slopes.another_form, ("mode_mismatch", "wrong_local_derivative")),
    (slopes.of_others, ("missing_chain_factor", "saved_wrong_tensor", "wrong_local_derivative")),
    (slopes.branch_factor, ("missing_chain_factor", "wrong_local_derivative")),
    (slopes.close, ("mode_mismatch", "wrong_local_derivative")),
    (slopes.factor_of_its_own, ("wrong_local_derivative", "missing_chain_factor", "higher_order")),
    (factors.steady_ratio, ("missing_chain_factor", "wrong_local_derivative")),
    (terms.of_one_output_in_part, ("missing_jacobian_term", "overwrite_vs_accumulate", "index_routing")),
    (terms.of_one_output, ("wrong_local_derivative", "missing_chain_factor", "overwrite_vs_accumulate")),
    (terms.of_a_mixture, ("wrong_local_derivative", "missing_jacobian_term", "index_routing")),
    (slopes.local, ("wrong_local_derivative", "saved_wrong_tensor", "missing_chain_factor")),
    (through_time.of_steps, ("bptt_time", "missing_jacobian_term", "overwrite_vs_accumulate")),
    (factors.same_places, ("missing_jacobian_term", "wrong_local_derivative", "missing_chain_factor")),
    (through_time.anything_dense, ("bptt_time", "missing_jacobian_term", "saved_wrong_tensor")),
    (terms.anything_dense, ("missing_jacobian_term", "saved_wrong_tensor", "wrong_local_derivative", "index_routing")),
)  # fmt: skip


GUESSES = (
    through_time.of_steps,
    through_time.anything_dense,
    terms.of_one_output_in_part,
    terms.of_one_output,
    terms.of_a_mixture,
    slopes.local,
    factors.same_places,
    terms.anything_dense,
)  # there is always one that holds


EXACT = whole.flipped, whole.adjoint, whole.factor, slopes.evaluated_at_output  # true of every number, as are those of
EXACT_MODULES = arguments.__name__, products.__name__, steps.__name__, mends.__name__
SEARCHES = steps.__name__, mends.__name__  # which look elsewhere themselves
AT_ONCE = (  # as plain as what is said without one
    mends.written_over, mends.less_rounded, mends.in_full_precision, mends.conjugated, mends.inverted, mends.turned,
    mends.term_computed, mends.term_more, mends.slope_term,
)  # fmt: skip
ANY_SHAPE = arguments.__name__, *SEARCHES  # what they say does not hang on the shape


# What is seen here alone.
MULTIPLES = steps.scaled, steps.scaled_slope, steps.negated, mends.another_count, mends.count_in_a_term
NUMBER = re.compile(r"\d[\d.e+-]*")
LONG = products.term_negated, products.term_lost, products.numbers_elsewhere  # tried elsewhere only if they hold here


class Explanation(NamedTuple):
    name: str  # of the class
    says: str  # the evidence
    guess: bool = False
    exact: bool = False


def surviving(e: Evidence, elsewhere: Iterator[Evidence]) -> list[Explanation]:
    """The likeliest first; further classes of an explanation follow those of the others.

    What holds at most of the shapes is believed before what holds at the example alone. When the first that holds here
    holds at another shape too, no further shape is asked.
    """
    found = ranked([e])
    for other in elsewhere:
        e.others = *e.others, other
        found = ranked([e, *e.others])
        if found[:1] and found[0].everywhere:
            break
    if e.right_at:
        found = ranked([e, *e.others])
    if found and found[0].also:
        leading = found[0].names[0]
        says = f"{leading.says} (for {' and '.join(found[0].also)} too)"
        found[0].names[0] = leading._replace(says=says)
    first = [name for k, each in enumerate(found) for name in each.names[: 1 if k else 2]]
    return first + [name for each in found for name in each.names[1:]]


def ranked(everywhere: Sequence[Evidence]) -> list["Held"]:
    """Forward is taken apart only where nothing simpler explains it."""
    found: list[Held] = []
    for test, names in TABLE:
        last = test.__module__ in SEARCHES and test not in AT_ONCE
        if last and any(not each.rank for each in found):
            continue
        each = held(test, names, everywhere)
        found += [each] if each else []
    return sorted(found, key=lambda each: each.rank)


class Held(NamedTuple):
    names: list[Explanation]
    rank: int  # 0 is believed first
    everywhere: bool
    also: list[str]  # at which shapes, beside the example's


def held(test: Test, names: tuple[str, ...], everywhere: Sequence[Evidence]) -> Held | None:
    """An explanation that holds at the example, or at most of the shapes."""
    here = test(everywhere[0])
    if not here and (test.__module__ in ANY_SHAPE or test in LONG):
        return None
    alone = test.__module__ in SEARCHES
    said = [here, *(here if alone else test(each) for each in everywhere[1:])]
    mostly = 2 * sum(map(bool, said)) + bool(here) > len(said)
    if not here and not mostly:
        return None
    first = next(k for k, says in enumerate(said) if says)
    text = f"{said[first]}{f' (for {everywhere[first].where})' if first else ''}"
    also = [each.where for each, says in zip(everywhere[1:], said[1:]) if here and says and alike(here, says)]
    also = [] if test in MULTIPLES else also
    also = [where for where in dict.fromkeys(also) if where != everywhere[0].where]  # of other inputs alone are others
    guess, exact = test in GUESSES, test in EXACT or test.__module__ in EXACT_MODULES
    rank = 3 if not mostly else 2 if guess else 0 if here else 1
    named = [Explanation(name, text, guess, exact) for name in names]
    return Held(named, rank, not rank and all(said), also)


def alike(here: str, there: str) -> bool:
    """Do they say the same number, or one that is the same size in words?"""
    told = [NUMBER.findall(says.rpartition(" = ")[2]) for says in (here, there)]
    return told[0] == told[1]


def planted(e: Evidence, gradients: list[Array]) -> Iterator[Explanation]:
    """Faults of the table that plants them in tests."""
    for fault in FAULTS.values():
        pairs = [((g @ e.J).reshape(e.x.shape), g.reshape(e.y_shape), (g @ e.B).reshape(e.x.shape)) for g in gradients]
        if all(same(fault.spoil(right, above), given) for right, above, given in pairs):
            yield Explanation(fault.cause, fault.says)
