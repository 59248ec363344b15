"""Layers go by many names."""

# What layers are called, and the rules that they may be. Rules are called by their own names as well.
CALLED = (
    ("affine|linear|dense|fc|fully|gemm", ("linear",)),
    ("batch.?norm|bn", ("batch_norm(training=True)", "batch_norm")),
    ("layer.?norm|ln", ("layer_norm",)), ("group.?norm|gn", ("group_norm",)), ("instance.?norm", ("instance_norm",)),
    ("rms.?norm", ("rms_norm",)),
    ("conv.*transpose|deconv|transposed", ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")),
    ("conv", ("conv2d", "conv1d", "conv3d")),
    ("max.?pool|pool", ("max_pool2d", "max_pool1d", "max_pool3d")),
    ("avg.?pool|average|mean.?pool|pool", ("avg_pool2d", "avg_pool1d", "avg_pool3d")),
    ("lstm.*(step|cell)", ("lstm_cell",)), ("gru.*(step|cell)", ("gru_cell",)), ("rnn.*(step|cell)", ("rnn_cell",)),
    ("lstm", ("lstm",)), ("gru", ("gru",)), ("rnn", ("rnn",)), ("embed", ("embedding",)),
    ("attention|sdpa", ("scaled_dot_product_attention",)),
    ("softmax.*loss|cross.?entropy|ce.?loss", ("cross_entropy", "cross_entropy(reduction='sum')")),
    ("nll", ("nll_loss", "nll_loss(reduction='sum')")),
    ("bce|binary|logistic|sigmoid.*loss", tuple(
        f"binary_cross_entropy{logits}{how}" for logits in ("", "_with_logits") for how in ("", "(reduction='sum')")
    )),
    ("mse|squared|l2", ("mse_loss", "mse_loss(reduction='sum')")), ("mae|l1", ("l1_loss", "l1_loss(reduction='sum')")),
    ("huber", ("huber_loss", "smooth_l1_loss")), ("kl", ("kl_div", "kl_div(reduction='sum')")),
    ("drop.?out", ("dropout",)),
    ("log.?soft.?max", ("log_softmax",)), ("soft.?max", ("softmax",)), ("swish|silu", ("silu",)),
    ("gelu", ("gelu", "gelu(approximate='tanh')")), ("leaky", ("leaky_relu",)), ("soft.?plus", ("softplus",)),
    ("sigmoid|logistic", ("sigmoid",)), ("flatten|reshape", ("flatten(start_axis=1)", "flatten")),
)  # fmt: skip
