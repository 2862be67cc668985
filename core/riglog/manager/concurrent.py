"""The same operation on several devices at the same time, one result per device."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import anyio

from riglog.device import Device
from riglog.errors import error_context
from riglog.model import DeviceResult, ErrorPolicy

T = TypeVar("T")
Request = TypeVar("Request")


async def execute(
    devices: Mapping[str, Device],
    operation: Callable[[Device, Request], Awaitable[T]],
    requests: Mapping[str, Request],
    policy: ErrorPolicy,
    protocols: Mapping[str, str | None],
) -> dict[str, DeviceResult[T]]:
    """Perform an operation on each device; a failure does not keep the others from finishing.

    Args:
        protocols: the wire protocol of each device, for its result.

    Raises:
        ExceptionGroup: under ErrorPolicy.RAISE, all failures.
    """
    results: dict[str, DeviceResult[T]] = {}

    async def perform(name: str) -> None:
        try:
            with error_context(device=name):
                value = await operation(devices[name], requests[name])
                results[name] = DeviceResult.success(name, value, protocol=protocols[name])
        except Exception as error:
            results[name] = DeviceResult.failure(name, error, protocol=protocols[name])

    async with anyio.create_task_group() as tasks:
        for name in requests:
            tasks.start_soon(perform, name)
    raise_failures(results, policy)
    return {name: results[name] for name in requests}


def raise_failures(results: Mapping[str, DeviceResult[T]], policy: ErrorPolicy) -> None:
    """Raise the errors of all results under ErrorPolicy.RAISE.

    Raises:
        ExceptionGroup: at least one device failed.
    """
    failed = [result.error for result in results.values() if result.error is not None]
    if failed and policy is ErrorPolicy.RAISE:
        raise ExceptionGroup(f"{len(failed)} of {len(results)} devices failed", failed)
