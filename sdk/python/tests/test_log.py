import logging
import unittest

from gristmill import _logging, log, testing
from gristmill.log import Level


class Lines(unittest.TestCase):
    def test_a_message_with_fields(self) -> None:
        with testing.host() as host:
            log.error("failed: disk", user=7, size=None)
            log.warn("message and level may be fields", message="m", level=1)
            log.write(Level.TRACE, "plain", {"not a name": True})
            log.info("half a \ud800 pair")
        self.assertEqual(host.logs[0], testing.Line(Level.ERROR, "failed: disk", {"user": "7", "size": "None"}))
        self.assertEqual(host.logs[1].fields, {"message": "m", "level": "1"})
        self.assertEqual(host.logs[2], testing.Line(Level.TRACE, "plain", {"not a name": "True"}))
        self.assertEqual(host.logs[3].message, "half a ? pair")

    def test_lines_that_nobody_reads_are_not_written(self) -> None:
        with testing.host() as host:
            host.context.log_level = Level.WARN
            log.trace("no")
            log.debug("no")
            log.info("no")
            log.warn("yes")
            self.assertFalse(log.enabled(Level.INFO))
        self.assertEqual([line.message for line in host.logs], ["yes"])


class Logging(unittest.TestCase):
    def test_records_reach_the_jobs_log_with_level_and_fields(self) -> None:
        logger = logging.getLogger("shop.orders")
        with testing.host() as host:
            logger.debug("a %s", "b")
            logger.info("sent", extra={"recipients": 3})
            logger.warning("slow")
            logger.critical("gone")
            logger.log(5, "step")
        self.assertEqual(
            [(line.level, line.message, line.fields) for line in host.logs],
            [
                (Level.DEBUG, "a b", {}),
                (Level.INFO, "sent", {"recipients": "3"}),
                (Level.WARN, "slow", {}),
                (Level.ERROR, "gone", {}),
                (Level.TRACE, "step", {}),
            ],
        )

    def test_exceptions_are_told_with_their_traceback(self) -> None:
        with testing.host() as host:
            try:
                int("x")
            except ValueError:
                logging.getLogger(__name__).exception("no amount")
        message = host.logs[0].message
        self.assertTrue(message.startswith("no amount\nTraceback (most recent call last):\n"), message)
        self.assertIn("test_log.py", message)

    def test_a_line_that_cannot_be_written_does_not_end_the_job(self) -> None:
        with testing.host() as host:
            logging.getLogger(__name__).info("%d", "x")
        self.assertIn("cannot be written: TypeError", host.logs[0].message)

    def test_nothing_of_it_stays(self) -> None:
        root = logging.getLogger()
        before = (list(root.handlers), root.level)
        with testing.host():
            pass
        self.assertEqual((root.handlers, root.level), before)

    def test_in_a_component_it_takes_the_place_of_standard_output(self) -> None:
        root = logging.getLogger()
        before = (list(root.handlers), root.level)
        try:
            logging.basicConfig(level=logging.ERROR, force=True)
            _logging.install()
            _logging.install()
            self.assertEqual([type(handler) for handler in root.handlers], [_logging.JobLog])
            self.assertEqual(root.level, logging.ERROR)
            root.setLevel(logging.WARNING)
            _logging.install()
            self.assertEqual(root.level, logging.NOTSET)
            logging.getLogger(__name__).info("outside a job nobody hears this")
        finally:
            root.handlers[:], root.level = before[0], before[1]


if __name__ == "__main__":
    unittest.main()
