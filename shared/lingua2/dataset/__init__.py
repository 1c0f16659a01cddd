"""Data between a teacher's answers and a trained model: labels, quality control, files.

>>> from lingua2.dataset import read_examples
>>> examples = read_examples("train.parquet")
"""

from .alignment import AlignmentAnnotator
from .annotation import Annotator, WindowAnnotator, annotate_text
from .files import read_examples, write_examples
from .meetingbank import read_meetingbank
from .pairs import read_pairs
from .quality import Dropped, QualityReport, filter_examples, measure
from .report import quality_markdown
from .schema import Example, Metrics

__all__ = [
    "AlignmentAnnotator",
    "Annotator",
    "Dropped",
    "Example",
    "Metrics",
    "QualityReport",
    "WindowAnnotator",
    "annotate_text",
    "filter_examples",
    "measure",
    "quality_markdown",
    "read_examples",
    "read_meetingbank",
    "read_pairs",
    "write_examples",
]
