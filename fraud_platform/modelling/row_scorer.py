"""One row's score, without what XGBoost's Python wrapper does around its C call.

`Booster.inplace_predict` takes 200 µs for one row, of which the trees take 40: the rest imports,
asks what kind of table it was given, and writes JSON. This makes the same call of XGBoost's C API
(XGBoosterPredictFromDense) with the JSON written beforehand.
"""

import ctypes
from array import array
from collections.abc import Sequence
from functools import cache

import numpy as np
import xgboost as xgb
from xgboost.libpath import find_lib_path

from fraud_platform.modelling.calibration import Calibration
from fraud_platform.modelling.predict import ModelError, predict

_CONFIG = (
    b'{"type": %d, "training": false, "iteration_begin": 0, "iteration_end": 0, '
    b'"missing": NaN, "strict_shape": false, "cache_id": 0}'
)
_ROW = b'{"data": [%d, true], "typestr": "<f4", "shape": [1, %d], "version": 3}'
_CHECKED = 16
"""Rows by which a scorer proves itself when it is made."""


class RowScorer:
    """The fraud probability of one vector, to the bit as `predict` has it; safe in any thread.

    Raises ModelError where the two differ, which another version of XGBoost might bring about.
    """

    def __init__(self, booster: xgb.Booster, calibration: Calibration | None = None) -> None:
        self._booster = booster
        self._columns = booster.num_features()
        self._calibration = calibration
        self._config = _CONFIG % (0 if calibration is None else 1)
        self._check()

    def __call__(self, vector: Sequence[float]) -> float:
        """Of a vector of as many features as the model has, NaN where missing."""
        row = array("f", vector)  # rounds as numpy does
        address, columns = row.buffer_info()
        if columns != self._columns:
            raise ValueError(f"a vector of {columns} for a model of {self._columns} features")
        shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        scores = ctypes.POINTER(ctypes.c_float)()
        library = _library()
        failed = library.XGBoosterPredictFromDense(
            self._booster.handle,
            _ROW % (address, columns),
            self._config,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(scores),
        )
        if failed:
            raise ModelError(f"XGBoost cannot score: {library.XGBGetLastError().decode()}")
        if self._calibration is None:
            return scores[0]
        return float(self._calibration.probability(np.array([scores[0]], dtype=np.float64))[0])

    def _check(self) -> None:
        rows = np.random.default_rng(0).normal(scale=100, size=(_CHECKED, self._columns))
        rows[:: _CHECKED // 2] = np.nan
        expected = predict(self._booster, rows, self._calibration).tolist()
        found = [self(row) for row in rows.tolist()]
        if not np.array_equal(found, expected, equal_nan=True):
            raise ModelError(
                f"XGBoost {xgb.__version__} scores a single row otherwise than several: "
                f"{found} and {expected}; install the version of requirements.lock"
            )


@cache
def _library() -> ctypes.PyDLL:
    # Not CDLL: it gives the interpreter's lock away for the call, and a request whose 40 µs that
    # is would wait up to 5 ms to have it back from another thread.
    library = ctypes.PyDLL(find_lib_path()[0])
    library.XGBoosterPredictFromDense.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_void_p,
        *([ctypes.c_void_p] * 3),
    ]
    library.XGBGetLastError.restype = ctypes.c_char_p
    return library
