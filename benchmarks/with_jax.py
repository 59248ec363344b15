"""The rows, by JAX: every step one compiled function."""

import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)
tree = jax.tree_util.tree_map


def start(threads):
    """XLA takes the threads that the process may use."""


def normal(*shape, scale=1.0):
    return jnp.array(scale * rng.standard_normal(shape, dtype=np.float32))


def cross_entropy(scores, t):
    return -jnp.take_along_axis(jax.nn.log_softmax(scores), t[:, None], 1).mean()


def moved(optimizer, p, g, m, v, k):
    if optimizer == "sgd":
        return tree(lambda p, g: p - 1e-3 * g, p, g), m, v
    if optimizer == "momentum":
        m = tree(lambda m, g: 0.9 * m + g, m, g)
        return tree(lambda p, m: p - 1e-3 * m, p, m), m, v
    m, v = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g), tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    to = lambda p, m, v: p - 1e-3 * (m / (1 - 0.9**k)) / (jnp.sqrt(v / (1 - 0.999**k)) + 1e-8)
    return tree(to, p, m, v), m, v


def training(model, p, x, classes, optimizer):
    t = jnp.array(rng.integers(0, classes, len(x)))

    def step(p, m, v, k):
        loss, g = jax.value_and_grad(lambda p: cross_entropy(model(p, x), t))(p)
        return *moved(optimizer, p, g, m, v, k + 1), k + 1, loss

    step = jax.jit(step, donate_argnums=(0, 1, 2))
    state = [p, tree(jnp.zeros_like, p), tree(jnp.zeros_like, p), jnp.float32(0)]

    def work():
        *state[:], loss = step(*state)
        jax.block_until_ready(state)

    return work


def dense(p, x):
    for w, b in p[:-1]:
        x = jax.nn.relu(x @ w + b)
    return x @ p[-1][0] + p[-1][1]


def mlp(layers, batch, optimizer):
    p = [(normal(i, o, scale=i**-0.5), jnp.zeros(o)) for i, o in zip(layers, layers[1:])]
    return training(dense, p, normal(batch, layers[0]), layers[-1], optimizer)


def cnn(batch):
    def images(p, x):
        for w, b in p[:2]:
            x = jax.nn.relu(convolved(x, w, 1, 1, 1) + b)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return dense(p[2:], x.reshape(len(x), -1))

    shapes = [(3, 3, 1, 32), (3, 3, 32, 64), (3136, 128), (128, 10)]
    p = [(normal(*s, scale=0.05), jnp.zeros(s[-1])) for s in shapes]
    return training(images, p, normal(batch, 28, 28, 1), 10, "sgd")


def convolved(x, w, stride, padding, groups):
    return jax.lax.conv_general_dilated(
        x, w, (stride, stride), [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
    )  # fmt: skip


def there_and_back(f, *inputs):
    gy = normal(*jax.eval_shape(f, *inputs).shape)
    work = jax.jit(lambda inputs, gy: (jax.vjp(f, *inputs)[0], jax.vjp(f, *inputs)[1](gy)))
    return lambda: jax.block_until_ready(work(inputs, gy))


def conv(batch, i, o, size, k, stride, padding, groups, first):
    x, w, b = normal(batch, size, size, i), normal(k, k, i // groups, o, scale=0.05), normal(o)
    f = lambda x, w, b: convolved(x, w, stride, padding, groups) + b
    return there_and_back(lambda w, b: f(x, w, b), w, b) if first else there_and_back(f, x, w, b)


def recurrent(kind, t, batch, n, m):
    gates = dict(rnn=1, gru=3, lstm=4)[kind]
    sigmoid, tanh = jax.nn.sigmoid, jnp.tanh

    def rnn(states, a, u, b):
        return (tanh(a + states[0] @ u + b),)

    def gru(states, a, u, b):
        h = states[0]
        (ar, az, an), (vr, vz, vn) = jnp.split(a, 3, -1), jnp.split(h @ u + b, 3, -1)
        new = tanh(an + sigmoid(ar + vr) * vn)
        return (new + sigmoid(az + vz) * (h - new),)

    def lstm(states, a, u, b):
        h, c = states
        i, f, g, o = jnp.split(a + h @ u + b, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    cell = dict(rnn=rnn, gru=gru, lstm=lstm)[kind]

    def f(x, w, u, bw, bu):
        def step(states, a):
            states = cell(states, a, u, bu)
            return states, states[0]

        first = tuple(jnp.zeros((batch, m)) for _ in range(1 + (kind == "lstm")))
        return jax.lax.scan(step, first, x @ w + bw)[1]

    shapes = (n, gates * m), (m, gates * m), (gates * m,), (gates * m,)
    return there_and_back(f, normal(t, batch, n), *(normal(*s, scale=0.08) for s in shapes))


def xent(batch, classes):
    t = jnp.array(rng.integers(0, classes, batch))
    work = jax.jit(jax.value_and_grad(lambda x: cross_entropy(x, t)))
    x = normal(batch, classes)
    return lambda: jax.block_until_ready(work(x))


def layer_norm(x):
    u = x - x.mean(-1, keepdims=True)
    return u / jnp.sqrt((u * u).mean(-1, keepdims=True) + 1e-5)


def pointwise(name, shape):
    functions = dict(
        gelu=lambda x: jax.nn.gelu(x, approximate=False), silu=jax.nn.silu, sigmoid=jax.nn.sigmoid, tanh=jnp.tanh,
        softmax=jax.nn.softmax, layer_norm=layer_norm,
    )  # fmt: skip
    return there_and_back(functions[name], normal(*shape))


def pool(kind, shape):
    n, c, h, w = shape
    window = (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
    largest = lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *window)
    mean = lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, *window) / 4
    return there_and_back(dict(max=largest, avg=mean)[kind], normal(n, h, w, c))


def attention(batch, heads, t, d, causal):
    seen = jnp.tril(jnp.ones((t, t), bool))

    def f(q, k, v):
        s = q @ k.swapaxes(-1, -2) * d**-0.5
        return jax.nn.softmax(jnp.where(seen, s, -jnp.inf) if causal else s) @ v

    return there_and_back(f, *(normal(batch, heads, t, d) for _ in range(3)))


def adam(n):
    step = jax.jit(lambda p, g, m, v, k: (*moved("adam", p, g, m, v, k + 1), k + 1), donate_argnums=(0, 2, 3))
    g, state = normal(n), [normal(n), jnp.zeros(n), jnp.zeros(n), jnp.float32(0)]

    def work():
        state[:] = step(state[0], g, *state[1:])
        jax.block_until_ready(state)

    return work
