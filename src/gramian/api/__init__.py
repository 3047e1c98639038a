"""What Python programs and the command line use: scripts that are compiled and run."""

from gramian.api.script import Script as Script
