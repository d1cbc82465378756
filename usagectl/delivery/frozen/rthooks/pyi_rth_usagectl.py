"""What PyInstaller's executable runs before the program: a delivery, if it was started for one."""

from usagectl.delivery import frozen

frozen.begin()
