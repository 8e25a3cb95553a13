"""Flow control of a connection: keeps reading from the socket paused while received bytes are waiting to be parsed."""

from uvicorn.protocols.http.flow_control import FlowControl


class Reading(FlowControl):
    """uvicorn's flow control with a hold on reading: a hold lasts even if uvicorn itself resumes reading."""

    held = False

    def hold(self, *, held: bool) -> None:
        """Begin or end the hold on reading from the socket, which bounds the bytes that wait to be parsed."""
        self.held = held
        (self.pause_reading if held else self.resume_reading)()

    def resume_reading(self) -> None:
        """Resume reading from the socket, unless reading is held."""
        if not self.held:
            super().resume_reading()
