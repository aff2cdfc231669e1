"""Which images go into which split: a function of the labels and the seed alone, the same on every machine.

Shapes: N images, K classes.
"""

from fractions import Fraction

import numpy as np


def shuffled(num: int, *entropy: int) -> np.ndarray:
    """A permutation of 0 to ``num`` - 1 that depends on nothing but the arguments.

    It sorts the raw 64-bit numbers of PCG64, the one stream that numpy promises never to change (NEP 19); the methods
    of its generators may shuffle differently in a later version.

    Args:
        num: How many.
        entropy: Seeds, at least 0 each.

    Returns:
        (num,) int64.
    """
    bits = np.random.PCG64(np.random.SeedSequence(entropy))
    order: np.ndarray = np.argsort(bits.random_raw(num), kind="stable")
    return order.astype(np.int64, copy=False)


def stratified(
    y_N: np.ndarray, share_or_count: float, seed: int, at_least_left: int = 0, stream: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Choose images so that every class is represented in proportion.

    The number chosen is exact, and each class's number is its proportional share rounded by largest remainders (of
    equal remainders the lower class's is rounded up).

    Args:
        y_N: Labels, whole numbers from 0.
        share_or_count: A float is a share from 0 to 1 of all images, an int is a number of images.
        seed: At least 0.
        at_least_left: So many images of each class are left over, even if fewer can then be chosen than asked for.
        stream: Choices of other streams are independent of each other under the same seed.

    Returns:
        The positions that are left and those that were chosen, both rising, int64; together every position once.

    Raises:
        ValueError: More images are asked for than there are, or fewer than none.
    """
    num = len(y_N)
    count = share_or_count if isinstance(share_or_count, int) else round(share_or_count * num)
    if not 0 <= count <= num:
        raise ValueError(f"{share_or_count!r} of {num} images cannot be chosen")
    num_K = np.bincount(y_N) if num else np.zeros(0, np.int64)
    room_K = [max(0, int(size) - at_least_left) for size in num_K]
    chosen = np.zeros(num, bool)
    for label, quota in enumerate(_quotas(num_K.tolist(), min(count, sum(room_K)), room_K)):
        index = np.flatnonzero(y_N == label)
        chosen[index[shuffled(len(index), seed, stream, label)[:quota]]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _quotas(num_K: list[int], count: int, room_K: list[int]) -> list[int]:
    """``count`` split in proportion to ``num_K``, in whole numbers, none above ``room_K``."""
    fair_K = [Fraction(count * size, max(1, sum(num_K))) for size in num_K]
    given_K = [min(int(fair), room) for fair, room in zip(fair_K, room_K, strict=True)]
    while sum(given_K) < count:
        open_K = [label for label, given in enumerate(given_K) if given < room_K[label]]
        neediest = max(open_K, key=lambda label: (fair_K[label] - given_K[label], -label))
        given_K[neediest] += 1
    return given_K
