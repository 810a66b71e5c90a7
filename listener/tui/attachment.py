"""A display that follows whatever daemon runs at an address: it waits for one, and comes back to the next."""

from queue import Empty, SimpleQueue

from listener import messages
from listener.client import Client, ConnectError
from listener.errors import SinkError
from listener.tui.display import Display

TOPICS: tuple[messages.Topic, ...] = ("event", "level", "status", "spectrum")
REPLAY = 60
FIRST_S, MOST_S = 0.25, 5.0  # between attempts
PATIENCE_S = 15.0  # a daemon says how it is once a second; one that has not for so long may have gone unnoticed


class Attachment:
    """Feeds a display from a client, until `end`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ending: SimpleQueue[None] = SimpleQueue()  # unlike an Event, it may be put to by a signal handler
        self._ended = False
        self._asked = False  # whether a user has asked for anything

    def end(self) -> None:
        """End `feed` soon. For any thread and for signal handlers."""
        self._ended = True
        self._ending.put(None)
        self._client.close()

    def ask(self, command: messages.Command) -> None:
        """Have the daemon do something; what comes of it is shown. SinkError where there is no daemon just now."""
        self._asked = True
        self._client.send(command)

    def feed(self, display: Display) -> None:
        """Show what the daemon says, and where there is none, that; until `end`. SinkError where it refuses us."""
        pause_s = FIRST_S
        while not self._ended:
            met = False
            try:
                for number, message in enumerate(self._client.receive(TOPICS, replay=REPLAY, patience_s=PATIENCE_S)):
                    self._take(message, display)
                    if number == 1:  # the greeting comes before the daemon knows what we want
                        self._client.send(messages.Command(command="state"))
                    met, pause_s = True, FIRST_S
                why = "the daemon has ended"  # in order; its log says why
            except SinkError as err:
                if not (met or isinstance(err, ConnectError)):
                    raise
                why = str(err)
            display.lose(f"{why}; waiting for the next" if met else why)
            self._pause(pause_s)
            pause_s = min(2 * pause_s, MOST_S)

    def _take(self, message: messages.Message, display: Display) -> None:
        unasked = (
            isinstance(message, messages.Refusal) and not self._asked
        )  # of the state, which not everybody may ask for
        if not (unasked or isinstance(message, messages.Ack | messages.Error)):
            display.show(message)

    def _pause(self, seconds: float) -> None:
        try:
            self._ending.get(timeout=seconds)
        except Empty:
            return
