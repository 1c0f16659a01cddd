"""Training of the token classifier on word-labelled examples.

>>> from lingua2.training import train
>>> train(examples, model_name="microsoft/mdeberta-v3-base", output="my-compressor")
"""

from .checks import split
from .options import TrainingOptions
from .run import TrainingReport, train

__all__ = ["TrainingOptions", "TrainingReport", "split", "train"]
