"""What colcon builds: the node, its launch file, and the mark by which ament finds the package."""

from setuptools import setup

NAME = "myostream_ros"

setup(
    name=NAME,
    version="0.3.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/gestures.launch.py"]),
    ],
    install_requires=["setuptools", "myostream-client"],
    zip_safe=True,
    maintainer="the Myostream authors",
    maintainer_email="myostream@example.org",
    description="Gestures of a Myostream server as topics",
    license="MIT",
    entry_points={"console_scripts": [f"gestures = {NAME}.node:main", f"rosbridge = {NAME}.rosbridge:main"]},
)
