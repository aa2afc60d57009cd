"""gunicorn for benchmarks/peers/bare.py: our settings without our hooks."""

from gevent import monkey

monkey.patch_all()

worker_class = "gevent"
worker_connections = 2000
keepalive = 5
control_socket_disable = True
