"""Splits: exact, stratified, without overlap, the same for the same seed."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnapp.data.splits import shuffled, stratified

FIXED = "7451986203"  # shuffled(10, 0, 1)
LABELS = st.lists(st.integers(0, 5), max_size=200).map(lambda labels: np.array(labels, np.int64))
SEEDS = st.integers(0, 2**31 - 1)


@given(LABELS, st.floats(0, 0.9), SEEDS)
def test_every_image_is_on_exactly_one_side_and_both_keep_their_order(y_N, share, seed):
    left, chosen = stratified(y_N, share, seed, at_least_left=1)
    assert sorted([*left, *chosen]) == list(range(len(y_N)))
    assert not set(left) & set(chosen)
    assert (np.diff(left) > 0).all()
    assert (np.diff(chosen) > 0).all()


@given(LABELS, st.floats(0, 1), SEEDS)
def test_the_number_is_exact_and_no_class_is_off_by_one_or_more(y_N, share, seed):
    chosen = stratified(y_N, share, seed)[1]
    assert len(chosen) == round(share * len(y_N))
    for label, size in Counter(y_N.tolist()).items():
        fair = len(chosen) * size / len(y_N)
        assert abs(np.count_nonzero(y_N[chosen] == label) - fair) < 1


@given(LABELS, st.floats(0, 0.9), SEEDS)
def test_every_class_keeps_a_training_image(y_N, share, seed):
    left = stratified(y_N, share, seed, at_least_left=1)[0]
    assert set(y_N[left]) == set(y_N)


def test_remainders_go_to_the_classes_that_lost_most():
    # 7 of 15: fair shares are 0.47, 1.87, 4.67; rounded down 0, 1, 4; the two missing go to the second and third
    y_N = np.repeat([0, 1, 2], [1, 4, 10])
    chosen = stratified(y_N, 7, seed=3)[1]
    assert np.bincount(y_N[chosen], minlength=3).tolist() == [0, 2, 5]


def test_a_balanced_dataset_is_split_evenly():
    y_N = np.tile(np.arange(10), 600)
    left, chosen = stratified(y_N, 0.1, seed=0)
    assert np.bincount(y_N[chosen]).tolist() == [60] * 10
    assert np.bincount(y_N[left]).tolist() == [540] * 10


def test_a_share_of_nothing_leaves_all_in_order():
    left, chosen = stratified(np.array([1, 0, 1, 2]), 0.0, seed=5)
    assert left.tolist() == [0, 1, 2, 3]
    assert chosen.tolist() == []


def test_another_seed_or_stream_chooses_other_images_and_the_same_seed_the_same():
    y_N = np.tile(np.arange(10), 100)
    choices = [tuple(stratified(y_N, 0.2, *key)[1]) for key in ((1,), (2,), (1, 0, 7))]
    assert len(set(choices)) == 3
    assert tuple(stratified(y_N, 0.2, 1)[1]) == choices[0]


@pytest.mark.parametrize("too_much", [6, -1, 1.5])
def test_more_than_all_cannot_be_chosen(too_much):
    with pytest.raises(ValueError, match="cannot be chosen"):
        stratified(np.zeros(5, np.int64), too_much, seed=0)


def test_a_permutation_is_fixed_for_ever():
    """The numbers were written down once: a change would silently give every repeated run other data."""
    assert shuffled(10, 0, 1).tolist() == [int(digit) for digit in FIXED]
    assert sorted(shuffled(1000, 3)) == list(range(1000))
    assert shuffled(0, 3).tolist() == []
