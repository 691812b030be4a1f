"""Synthetic users, merchants, devices and frauds, from a seed."""

from fraud_platform.simulator.config import Shift, SimulatorConfig, SimulatorConfigError
from fraud_platform.simulator.simulation import simulate

__all__ = ["Shift", "SimulatorConfig", "SimulatorConfigError", "simulate"]
