"""Files that scripts read and write: formats, metadata, and how to find out what a file holds."""

from gramian.io.files import missing_file as missing_file
from gramian.io.metadata import Metadata as Metadata, read_metadata as read_metadata
from gramian.io.plan import ReadPlan as ReadPlan, resolve as resolve
from gramian.io.reading import read as read, read_value as read_value
from gramian.io.writing import write_value as write_value
