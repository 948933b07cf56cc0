"""What the page shows, as frozen data: the templates read this and compute nothing.

Text in here is cleaned (no control characters, no secrets, cut to size) but not escaped: that is
the templates' duty, by autoescape.
"""

from compatmatrix.report.views.base import Chip, LedgerNote
from compatmatrix.report.views.causes import Cause, Cure, Hit, Known, Place
from compatmatrix.report.views.details import (
    Bar,
    ChangeView,
    CheckView,
    CureCell,
    Detail,
    DetailRow,
    Finding,
    Fingerprint,
    Picture,
    Step,
)
from compatmatrix.report.views.page import ColumnView, Meaning, Page
from compatmatrix.report.views.past import Moment, RunView, Timeline
from compatmatrix.report.views.pins import PinPanel
from compatmatrix.report.views.table import CellView, FamilyView, RowView, ScenarioView, Sum
from compatmatrix.report.views.top import Answer, FamilyAnswers, Figure, NewsCell, NewsGroup, NewsItem, Segment

__all__ = [
    "Answer",
    "Bar",
    "Cause",
    "CellView",
    "ChangeView",
    "CheckView",
    "Chip",
    "ColumnView",
    "Cure",
    "CureCell",
    "Detail",
    "DetailRow",
    "FamilyAnswers",
    "FamilyView",
    "Figure",
    "Finding",
    "Fingerprint",
    "Hit",
    "Known",
    "LedgerNote",
    "Meaning",
    "Moment",
    "NewsCell",
    "NewsGroup",
    "NewsItem",
    "Page",
    "Picture",
    "PinPanel",
    "Place",
    "RowView",
    "RunView",
    "ScenarioView",
    "Segment",
    "Step",
    "Sum",
    "Timeline",
]
