"""A live display that follows the daemon at an address: it waits for one, and reconnects to the next."""

from queue import Empty, SimpleQueue

from listener import messages
from listener.base.backoff import Backoff
from listener.client import Client, ConnectError
from listener.errors import SinkError
from listener.tui.display import LiveDisplay

TOPICS: tuple[messages.Topic, ...] = ("event", "level", "status", "spectrum")
REPLAY = 60
PATIENCE_S = 15.0  # a daemon sends its status once a second; after this the connection is taken for dead


class Attachment:
    """Feeds a display from a client, until `end`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ending: SimpleQueue[None] = SimpleQueue()  # unlike an Event, a signal handler may put to it
        self._ended = False
        self._has_asked = False  # whether the user has sent a command

    def end(self) -> None:
        """End `feed` soon. For any thread and for signal handlers."""
        self._ended = True
        self._ending.put(None)
        self._client.close()

    def send(self, command: messages.Command) -> None:
        """Send a command to the daemon, whose answer is shown.

        Raises:
            SinkError: There is no daemon now.
        """
        self._has_asked = True
        self._client.send(command)

    def feed(self, display: LiveDisplay) -> None:
        """Show what daemons send, and the absence of one, until `end`.

        Raises:
            SinkError: A daemon refuses this client.
        """
        backoff = Backoff(0.25, 5.0)
        while not self._ended:
            met = False
            try:
                for number, message in enumerate(self._client.receive(TOPICS, replay=REPLAY, patience_s=PATIENCE_S)):
                    self._show(message, display)
                    if number == 1:  # the first is the greeting, before which the daemon takes no command
                        self._client.send(messages.Command(command="state"))
                    met = True
                    backoff.succeeded()
                why = "the daemon has ended"  # in order; its log says why
            except SinkError as err:
                if not (met or isinstance(err, ConnectError)):
                    raise
                why = str(err)
            display.show_absence(f"{why}; waiting for the next" if met else why)
            self._pause(backoff.failed())

    def _show(self, message: messages.Message, display: LiveDisplay) -> None:
        # Not every user may ask for the state, which this class does by itself.
        unasked = isinstance(message, messages.Refusal) and not self._has_asked
        if not (unasked or isinstance(message, messages.Ack | messages.Error)):
            display.show(message)

    def _pause(self, seconds: float) -> None:
        try:
            self._ending.get(timeout=seconds)
        except Empty:
            return
