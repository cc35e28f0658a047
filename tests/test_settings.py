"""What was chosen is there again next time; a broken file costs nothing."""

from gui.settings import Settings, WindowSettings

from engine.tracking.knobs import TrackKnobs  # isort: skip


def test_only_what_differs_is_written_and_it_comes_back(tmp_path):
    path = tmp_path / "settings.toml"
    settings = Settings(path)
    settings.save("track", TrackKnobs(confidence=0.5, classes=("person", 'a "dog"')), TrackKnobs())
    assert "iou" not in path.read_text()
    again = Settings(path).load("track", TrackKnobs())
    assert again == TrackKnobs(confidence=0.5, classes=("person", 'a "dog"'))


def test_unknown_keys_and_wrong_values_are_reported_and_left_out(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('[track]\nconfidence = 7.0\nsize = 333\nold_key = 1\niou = "much"\nkeep_lost = 60\n')
    settings = Settings(path)
    assert settings.load("track", TrackKnobs()) == TrackKnobs(keep_lost=60)
    assert sorted(settings.unknown) == ["track.confidence", "track.iou", "track.old_key", "track.size"]


def test_a_broken_file_is_said_and_the_defaults_are_used(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("[[[")
    settings = Settings(path)
    assert "could not be read" in settings.problem
    assert settings.load("window", WindowSettings()) == WindowSettings()


def test_no_file_is_no_problem(tmp_path):
    settings = Settings(tmp_path / "none.toml")
    assert settings.problem == ""
    assert settings.load("window", WindowSettings()) == WindowSettings()
