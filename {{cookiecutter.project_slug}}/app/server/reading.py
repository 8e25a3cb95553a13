"""Flow control of a connection: reading stays paused while received bytes wait for their turn."""

from uvicorn.protocols.http.flow_control import FlowControl


class Reading(FlowControl):
    """Flow control whose hold keeps reading paused, also when uvicorn resumes it at the begin of each request."""

    held = False

    def hold(self, *, held: bool) -> None:
        """Begin or end the hold: each packet that is read meanwhile would add to the bytes that wait."""
        self.held = held
        (self.pause_reading if held else self.resume_reading)()

    def resume_reading(self) -> None:
        """Resume reading, unless there is a hold."""
        if not self.held:
            super().resume_reading()
