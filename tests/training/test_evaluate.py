"""Evaluation against scikit-learn, and what it leaves behind."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

from cnnapp.training import evaluate as evaluation
from cnnapp.training.control import Interrupted
from cnnapp.training.evaluate import evaluate
from tests.training.cases import AskAfter, network, splits


@pytest.mark.parametrize("batch", [512, 7, 1])
def test_loss_accuracy_and_confusion_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, batch: int):
    monkeypatch.setattr(evaluation, "BATCH", batch)
    data, model = splits(num_val=40), network()
    with torch.no_grad():
        probabilities_NK = model(data.val.x_NCHW / 255).double().softmax(dim=1).numpy()
    truth_N, predicted_N = data.val.y_N.numpy(), probabilities_NK.argmax(axis=1)

    found = evaluate(model, data, data.val)
    labels = [0, 1, 2]
    assert found.loss == pytest.approx(metrics.log_loss(truth_N, probabilities_NK, labels=labels), abs=1e-6)
    assert found.accuracy == metrics.accuracy_score(truth_N, predicted_N)
    np.testing.assert_array_equal(found.confusion_KK, metrics.confusion_matrix(truth_N, predicted_N, labels=labels))
    assert found.confusion_KK.dtype == np.int64


@pytest.mark.parametrize("is_training", [True, False])
def test_the_model_is_left_in_its_mode_and_evaluated_without_dropout(is_training: bool):
    data, model = splits(), network(dropout=0.5).train(is_training)
    before = torch.get_rng_state()
    assert evaluate(model, data, data.val).loss == evaluate(model, data, data.val).loss
    assert model.training == is_training
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(Interrupted):
        evaluate(model, data, data.val, AskAfter(0, "pause"))
    assert model.training == is_training


@pytest.mark.parametrize(("size", "expected"), [(8, 512), (32, 512), (64, 128), (128, 32), (512, 2)])
def test_large_images_come_in_smaller_batches(size: int, expected: int):
    sizes: list[int] = []
    data = splits(num_val=600 if size <= 64 else expected + 1, num_train=1, num_test=1, size=size)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    evaluate(model, data, data.val)
    assert sizes[0] == expected
