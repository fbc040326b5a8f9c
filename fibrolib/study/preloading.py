"""Everything that notebooks come to import, also what is put off until it is needed: for a process to be forked from.

Importing this module is all there is to do. None of these modules leaves a thread behind that a fork would lack.
"""

import pandera.backends.pandas.register  # noqa: F401 (of the first check of a table)

from fibrolib.nets.torchvision_import import import_torchvision
from fibrolib.study import ablations, explorer, staging, viewer, virtual_patient  # noqa: F401

import_torchvision()
import timm  # noqa: E402, F401 (of the first backbone)
