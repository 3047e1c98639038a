"""The operators, by family. Importing this package registers all of them."""

from gramian.ops import (
    aggregate as aggregate,
)
from gramian.ops import (
    cast as cast,
)
from gramian.ops import (
    control as control,
)
from gramian.ops import (
    cumulative as cumulative,
)
from gramian.ops import (
    distribution as distribution,
)
from gramian.ops import (
    elementwise as elementwise,
)
from gramian.ops import (
    frame as frame,
)
from gramian.ops import (
    generate as generate,
)
from gramian.ops import (
    index as index,
    io as io,
)
from gramian.ops import (
    linalg as linalg,
)
from gramian.ops import (
    list as list,
)
from gramian.ops import (
    matmul as matmul,
)
from gramian.ops import (
    reorg as reorg,
)
from gramian.ops import (
    select as select,
)
from gramian.ops import (
    solve as solve,
)
from gramian.ops import (
    statistics as statistics,
)
from gramian.ops import (
    table as table,
)
from gramian.ops import (
    text as text,
)
