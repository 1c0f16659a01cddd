"""Data between a teacher's answers and a trained model: labels, quality control, files.

>>> from lingua2.dataset import read_examples
>>> examples = read_examples("train.parquet")
"""

from .files import read_examples, write_examples
from .schema import Example, Metrics

__all__ = ["Example", "Metrics", "read_examples", "write_examples"]
