"""All hypotheses in the order of belief: the more special, the earlier; what fits everything comes last."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from numpy.typing import NDArray

from pullback.check.faults import FAULTS
from pullback.check.hypotheses import places, slopes, sums, terms, through_time, whole
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import same

Array = NDArray[Any]
Test = Callable[[Evidence], Says]

TABLE: tuple[tuple[Test, tuple[str, ...]], ...] = (
    (whole.vanishes, ("missing_jacobian_term", "missing_upstream_grad")),
    (whole.index_adjoint, ("index_routing", "transpose_or_adjoint")),
    (whole.adjoint, ("transpose_or_adjoint", "index_routing")),
    (whole.flipped, ("sign",)),
    (whole.factor, ("constant_factor", "reduction_broadcast")),
    (slopes.evaluated_at_output, ("saved_wrong_tensor",)),
    (whole.another_axis, ("reduction_broadcast", "transpose_or_adjoint")),
    (slopes.unmasked, ("missing_chain_factor", "mode_mismatch")),
    (slopes.first_slice, ("bptt_time", "index_routing")),
    (slopes.input_for_output, ("saved_wrong_tensor", "wrong_local_derivative")),
    (slopes.holds_a_tensor, ("saved_wrong_tensor", "wrong_local_derivative")),
    (whole.mixed_signs, ("sign", "wrong_local_derivative")),
    (slopes.shifted, ("mode_mismatch", "wrong_local_derivative")),
    (slopes.scaled, ("wrong_local_derivative", "sign")),
    (slopes.wrong_where_zero, ("wrong_local_derivative", "mode_mismatch")),
    (whole.moved_axes, ("transpose_or_adjoint", "reduction_broadcast")),
    (sums.only_first_output, ("missing_upstream_grad", "reduction_broadcast")),
    (places.copied_place, ("index_routing", "reduction_broadcast")),
    (places.copied_tensor, ("saved_wrong_tensor", "index_routing")),
    (sums.summed_over, ("reduction_broadcast",)),
    (sums.one_slice, ("reduction_broadcast", "overwrite_vs_accumulate")),
    (through_time.last_step_only, ("bptt_time", "missing_jacobian_term")),
    (terms.diagonal_only, ("missing_jacobian_term",)),
    (terms.output_dropped, ("missing_jacobian_term", "bptt_time", "missing_upstream_grad")),
    (terms.one_of_several, ("overwrite_vs_accumulate", "index_routing")),
    (places.within_window, ("index_routing", "conv_geometry")),
    (places.outputs_moved, ("index_routing", "transpose_or_adjoint")),
    (places.moved_window, ("conv_geometry", "index_routing")),
    (places.moved, ("index_routing", "transpose_or_adjoint")),
    (places.averaged_otherwise, ("mode_mismatch", "conv_geometry")),
    (places.interpolated, ("mode_mismatch", "conv_geometry")),
    (places.slid, ("conv_geometry", "index_routing")),
    (places.pooled_elsewhere, ("conv_geometry", "index_routing")),
    (terms.training_statistics, ("mode_mismatch", "missing_jacobian_term")),
    (terms.coupled, ("reduction_broadcast", "missing_jacobian_term")),
    (terms.stray, ("index_routing", "mode_mismatch")),
    (terms.mask_ignored, ("mode_mismatch", "index_routing")),
    (terms.fewer_terms, ("index_routing", "overwrite_vs_accumulate", "missing_jacobian_term")),
    (through_time.factors_swapped, ("bptt_time", "transpose_or_adjoint")),
    (sums.output_ignored, ("aliasing_inplace", "missing_jacobian_term", "overwrite_vs_accumulate")),
    (terms.one_of_alike, ("overwrite_vs_accumulate", "missing_chain_factor")),
    (places.outputs_mixed, ("missing_chain_factor", "index_routing")),
    (sums.weighted_sum, ("reduction_broadcast", "missing_chain_factor")),
    (terms.chain_factor, ("missing_chain_factor",)),
    (terms.path_scaled, ("missing_jacobian_term", "missing_chain_factor")),
    (terms.low_rank, ("missing_jacobian_term", "missing_chain_factor")),
    (through_time.some_steps, ("bptt_time",)),
    (slopes.close, ("mode_mismatch", "wrong_local_derivative")),
    (slopes.factor_of_its_own, ("wrong_local_derivative", "missing_chain_factor", "higher_order")),
    (terms.of_one_output, ("wrong_local_derivative", "missing_chain_factor", "overwrite_vs_accumulate")),
    (slopes.local, ("wrong_local_derivative", "saved_wrong_tensor", "missing_chain_factor")),
    (terms.anything_dense, ("missing_jacobian_term", "missing_chain_factor", "overwrite_vs_accumulate")),
)  # fmt: skip


GUESSES = terms.of_one_output, slopes.local, terms.anything_dense  # there is always one that holds


class Explanation(NamedTuple):
    name: str  # of the class
    says: str  # the evidence
    guess: bool = False


def surviving(e: Evidence) -> list[Explanation]:
    """The likeliest first; further classes of an explanation follow those of the others."""
    first: list[Explanation] = []
    later: list[Explanation] = []
    for test, names in TABLE:
        says = test(e)
        if says:
            each = [Explanation(name, says, test in GUESSES) for name in names]
            first += each[:1] if first else each[:2]
            later += each[1:]
    return first + later


def planted(e: Evidence, gradients: list[Array]) -> Iterator[Explanation]:
    """Faults of the table that plants them in tests."""
    for fault in FAULTS.values():
        pairs = [((g @ e.J).reshape(e.x.shape), g.reshape(e.y_shape), (g @ e.B).reshape(e.x.shape)) for g in gradients]
        if all(same(fault.spoil(right, above), given) for right, above, given in pairs):
            yield Explanation(fault.cause, fault.says)
