"""Start the node: `ros2 launch myostream_ros gestures.launch.py url:=http://192.168.1.20:8000`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node


def generate_launch_description() -> LaunchDescription:
    """Return one node, whose server and source are arguments."""
    arguments = {"url": "http://127.0.0.1:8000", "source": ""}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=value) for name, value in arguments.items()),
            Node(
                package="myostream_ros",
                executable="gestures",
                name="myostream",
                output="screen",
                parameters=[{name: LaunchConfiguration(name) for name in arguments}],
            ),
        ]
    )
