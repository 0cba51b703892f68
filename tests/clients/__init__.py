"""Real clients, as they are published, through a real ccproxy process to fake upstreams of all five protocols.

kinds     the clients: what is installed, how one is started, what it needs
install   installs them into a scratch folder, each once, whoever asks first
errand    a task that cannot be done without reading a file, and the scripted model that does it
pairing   whether calls and results in a request belong together, in its protocol's own terms
running   a client's run: scratch home, no network but loopback, a time limit

Run only when CCPROXY_CLIENTS names a folder to install into (2.5 GB):

    CCPROXY_CLIENTS=/tmp/clients python -m pytest tests/clients
"""
