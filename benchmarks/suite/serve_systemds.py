"""SystemDS in one Java process: each line on standard input, a list of arguments as its command line takes them, runs a
script once, so that later runs find compiled code. Run by the Python that SystemDS is installed for; needs only py4j, which
comes with it.

    PYTHON_WITH_SYSTEMDS serve_systemds.py MEMORY FOLDER_OF_SYSTEMDS
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Any

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JJavaError


def main() -> None:
    memory, folder = sys.argv[1:]
    port = launch_gateway(
        classpath=f"{folder}/SystemDS.jar:{folder}/lib/*",
        javaopts=[
            "--add-modules=jdk.incubator.vector",
            f"-Dlog4j.configuration=file:{folder}/conf/log4j.properties",
            f"-Xmx{memory}",
        ],
        die_on_exit=True,
    )
    java = JavaGateway(gateway_parameters=GatewayParameters(port=port))
    for line in sys.stdin:
        print(json.dumps(_run(java, json.loads(line))), flush=True)


def _run(java: Any, arguments: list[str]) -> dict[str, Any]:
    values = java.new_array(java.jvm.java.lang.String, len(arguments))
    for place, argument in enumerate(arguments):
        values[place] = argument
    printed = java.jvm.java.io.ByteArrayOutputStream()
    java.jvm.java.lang.System.setOut(java.jvm.java.io.PrintStream(printed, True))
    start = perf_counter()
    try:
        done = java.jvm.org.apache.sysds.api.DMLScript.executeScript(values)
    except Py4JJavaError as error:
        return {"error": str(error)}
    seconds = perf_counter() - start
    if not done:
        return {"error": printed.toString()}
    return {"printed": printed.toString(), "process": seconds}


if __name__ == "__main__":
    main()
