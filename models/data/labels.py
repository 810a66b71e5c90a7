"""The labels of the shipped bundles: what each is called, which class it is of, and which recordings teach it.

One table for training, evaluation and export. A label of a data set that no row names is a distractor: it is mixed
into training streams as a sound that no label answers to.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

LabelClass = Literal["urgent", "home", "known"]


@dataclass(frozen=True, slots=True)
class Label:
    """One label of a bundle.

    Attributes:
        id: The name in scores, events and configuration.
        name: What people read.
        kind: `urgent` is held to the strictest figures, `home` is reported, `known` is reported only on request.
        groups: Names under which several labels can be addressed at once.
        yamnet: AudioSet classes (display names) that mean the same to YAMNet.
        sources: Labels of data sets that are joined in this one, beside its own id.
        akin: Labels that nobody could rule out while this one sounds: the loss ignores them there.
        parts: Labels each of which is this one as well (`alarm`: a smoke alarm is an alarm).
        city: Only in the bundle `city`.
    """

    id: str
    name: str
    kind: LabelClass
    groups: tuple[str, ...]
    yamnet: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    akin: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    city: bool = False


TABLE = (
    # --- urgent ---
    Label(
        "smoke_alarm", "Smoke alarm", "urgent", ("alarm",), ("Smoke detector, smoke alarm", "Fire alarm"),
        akin=("low_battery_chirp",),
    ),
    Label("co_alarm", "Carbon monoxide alarm", "urgent", ("alarm",)),
    Label(
        "alarm", "Alarm", "urgent", ("alarm",),
        ("Alarm", "Smoke detector, smoke alarm", "Fire alarm", "Car alarm", "Buzzer"),
        ("alarm_building", "car_alarm"), akin=("smoke_alarm", "siren", "car_horn"), parts=("smoke_alarm", "co_alarm"),
    ),
    Label("glass_break", "Breaking glass", "urgent", ("home",), ("Glass", "Shatter", "Breaking", "Smash, crash")),
    Label(
        "baby_cry", "Crying baby", "urgent", ("people",), ("Baby cry, infant cry", "Crying, sobbing", "Whimper"),
    ),
    Label(
        "siren", "Siren", "urgent", ("traffic",),
        (
            "Siren", "Civil defense siren", "Police car (siren)", "Ambulance (siren)",
            "Fire engine, fire truck (siren)", "Emergency vehicle",
        ),
        akin=("alarm",),
    ),
    # --- signals of the house ---
    Label(
        "low_battery_chirp", "Low battery chirp", "home", ("signals",), ("Beep, bleep",),
        akin=("appliance_beep",),
    ),
    Label("doorbell", "Doorbell", "home", ("signals",), ("Doorbell", "Ding-dong"), akin=("music", "notification")),
    Label(
        "door_knock", "Knock on the door", "home", ("signals",), ("Knock", "Tap"),
    ),
    Label(
        "telephone_ring", "Telephone", "home", ("signals",),
        ("Telephone", "Telephone bell ringing", "Ringtone"), ("ringtone",), akin=("music", "notification"),
    ),
    Label("alarm_clock", "Alarm clock", "home", ("signals",), ("Alarm clock",), akin=("alarm", "appliance_beep")),
    Label(
        "appliance_beep", "Appliance beep", "home", ("signals",), ("Beep, bleep", "Microwave oven"),
        akin=("notification", "low_battery_chirp", "alarm_clock"),
    ),
    Label("notification", "Notification sound", "known", ("signals",), ("Chime", "Ding"), akin=("music", "doorbell")),
    # --- people ---
    Label("speech", "Speech", "home", ("people",), ("Speech",)),
    Label("cough", "Cough", "home", ("people",), ("Cough", "Throat clearing")),
    Label("sneeze", "Sneeze", "home", ("people",), ("Sneeze",)),
    Label("snoring", "Snoring", "home", ("people",), ("Snoring", "Snort"), akin=("breathing",)),
    Label("laughter", "Laughter", "home", ("people",), ("Laughter", "Giggle", "Chuckle, chortle", "Belly laugh")),
    Label("footsteps", "Footsteps", "home", ("people",), ("Walk, footsteps", "Run")),
    Label("clapping", "Clapping", "home", ("people",), ("Clapping", "Applause"), ("applause",)),
    Label("breathing", "Breathing", "known", ("people",), ("Breathing", "Gasp", "Wheeze"), akin=("snoring",)),
    Label("drinking", "Drinking", "known", ("people",), ("Gargling", "Chewing, mastication")),
    Label("toothbrushing", "Brushing teeth", "known", ("people",), ("Toothbrush",)),
    # --- house ---
    Label("door_creak", "Creaking door", "home", ("home",), ("Creak", "Squeak")),
    Label("can_opening", "Opening a can", "known", ("home",)),
    Label("keyboard_typing", "Typing", "known", ("home",), ("Typing", "Computer keyboard", "Typewriter")),
    Label("mouse_click", "Mouse click", "known", ("home",), ("Clicking",)),
    Label("clock_tick", "Ticking clock", "home", ("home",), ("Clock", "Tick", "Tick-tock")),
    Label("toilet_flush", "Toilet flush", "home", ("home", "water"), ("Toilet flush",)),
    Label("washing_machine", "Washing machine", "home", ("home", "machines")),
    Label("vacuum_cleaner", "Vacuum cleaner", "home", ("home", "machines"), ("Vacuum cleaner",)),
    Label("water_drops", "Dripping water", "home", ("water",), ("Drip", "Water tap, faucet")),
    Label("pouring_water", "Pouring water", "home", ("water",), ("Pour", "Fill (with liquid)", "Liquid")),
    Label("music", "Music", "home", ("music",), ("Music", "Musical instrument", "Singing"), ("street_music",)),
    # --- animals ---
    Label(
        "dog_bark", "Barking dog", "home", ("animals",),
        ("Dog", "Bark", "Yip", "Howl", "Bow-wow", "Growling", "Whimper (dog)"),
    ),
    Label("cat_meow", "Cat", "home", ("animals",), ("Cat", "Meow", "Purr", "Caterwaul")),
    Label("bird_song", "Bird song", "home", ("animals",), ("Bird vocalization, bird call, bird song", "Chirp, tweet")),
    Label("crow", "Crow", "known", ("animals",), ("Crow", "Caw")),
    Label("rooster", "Rooster", "home", ("animals",), ("Crowing, cock-a-doodle-doo",)),
    Label("hen", "Hen", "known", ("animals",), ("Chicken, rooster", "Cluck")),
    Label("cow", "Cow", "known", ("animals",), ("Cattle, bovinae", "Moo")),
    Label("pig", "Pig", "known", ("animals",), ("Pig", "Oink")),
    Label("sheep", "Sheep", "known", ("animals",), ("Sheep", "Bleat", "Goat")),
    Label("frog", "Frog", "known", ("animals",), ("Frog", "Croak")),
    Label("insects", "Insects", "known", ("animals",), ("Insect", "Fly, housefly", "Bee, wasp, etc.", "Mosquito")),
    Label("crickets", "Crickets", "known", ("animals",), ("Cricket",), akin=("insects",)),
    # --- nature ---
    Label("rain", "Rain", "home", ("nature", "water"), ("Rain", "Raindrop", "Rain on surface")),
    Label("thunder", "Thunder", "home", ("nature",), ("Thunder", "Thunderstorm"), akin=("rain",)),
    Label("wind", "Wind", "known", ("nature",), ("Wind", "Wind noise (microphone)", "Rustling leaves")),
    Label("sea_waves", "Sea waves", "home", ("nature", "water"), ("Ocean", "Waves, surf")),
    Label("fire_crackling", "Crackling fire", "home", ("nature",), ("Fire", "Crackle")),
    # --- traffic and machines ---
    Label(
        "engine", "Engine", "home", ("traffic", "machines"),
        (
            "Idling", "Engine", "Light engine (high frequency)", "Medium engine (mid frequency)",
            "Heavy engine (low frequency)", "Engine knocking", "Engine starting", "Accelerating, revving, vroom",
        ),
        ("engine_idling",),
    ),
    Label(
        "car_horn", "Car horn", "home", ("traffic",),
        ("Vehicle horn, car horn, honking", "Toot", "Air horn, truck horn"),
    ),
    Label("train", "Train", "home", ("traffic",), ("Train", "Rail transport", "Train whistle", "Train horn")),
    Label("airplane", "Airplane", "home", ("traffic",), ("Fixed-wing aircraft, airplane", "Jet engine", "Aircraft")),
    Label("helicopter", "Helicopter", "home", ("traffic",), ("Helicopter",)),
    Label("chainsaw", "Chainsaw", "home", ("machines",), ("Chainsaw", "Lawn mower")),
    Label("hand_saw", "Hand saw", "known", ("machines",), ("Sawing", "Rub")),
    Label("church_bells", "Church bells", "home", ("city",), ("Church bell", "Bell", "Change ringing (campanology)")),
    Label("fireworks", "Fireworks", "known", ("city",), ("Fireworks", "Firecracker"), akin=("gun_shot",)),
    # --- only with UrbanSound8K ---
    Label(
        "air_conditioner", "Air conditioner", "home", ("machines",),
        ("Air conditioning", "Mechanical fan", "Hum"), city=True,
    ),
    Label(
        "children_playing", "Children playing", "home", ("people", "city"),
        ("Children playing", "Children shouting", "Child speech, kid speaking"), akin=("speech",), city=True,
    ),
    Label(
        "drilling", "Drilling", "home", ("machines",), ("Drill", "Power tool", "Dental drill, dentist's drill"),
        city=True,
    ),
    Label("jackhammer", "Jackhammer", "home", ("machines",), ("Jackhammer",), city=True),
    Label(
        "gun_shot", "Gunshot", "known", ("city",),
        ("Gunshot, gunfire", "Machine gun", "Fusillade", "Artillery fire", "Cap gun"), ("explosion",),
        akin=("fireworks",), city=True,
    ),
)  # fmt: skip

BY_ID = {label.id: label for label in TABLE}
DEFAULT = tuple(label.id for label in TABLE if not label.city)
CITY = tuple(label.id for label in TABLE)
JOINED = {source: label.id for label in TABLE for source in label.sources}
BUNDLES = {"default": DEFAULT, "city": CITY}

# Sounds without a label that might be taken for one: the loss does not ask.
UNSURE_WITH: dict[str, tuple[str, ...]] = {
    "background_outdoor": ("bird_song", "wind", "insects", "crickets", "crow", "engine", "rain", "speech", "airplane"),
    "background_indoor": ("speech", "footsteps", "music", "engine"),
    "background_cafe": ("speech", "music", "laughter", "footsteps", "children_playing"),
    "background_boat": ("engine", "sea_waves", "wind"),
    "person_imitating_cat": ("cat_meow", "speech", "baby_cry"),
    "reversing_beeper": ("alarm", "appliance_beep"),
    "level_crossing_bell": ("alarm", "church_bells"),
    "ship_horn": ("car_horn", "train"),
    "cat_growl": ("cat_meow",),
    "wolf_howl": ("dog_bark",),
    "scream": ("speech", "laughter", "baby_cry", "children_playing"),
    "crowd": ("speech", "laughter", "clapping", "children_playing"),
    "duck": ("hen",),
    "goose": ("hen",),
    "owl": ("bird_song",),
    "horse_gallop": ("footsteps",),
    "horse": ("cow",),
    "motorcycle": ("engine",),
    "car_passing": ("engine",),
    "car_door": ("engine",),
    "door_open_close": ("door_creak", "door_knock"),
    "window_open_close": ("door_creak", "door_knock"),
    "circular_saw": ("hand_saw", "chainsaw", "drilling"),
    "water_tap": ("pouring_water", "water_drops"),
    "water_stream": ("pouring_water", "rain", "sea_waves"),
    "water_bubbling": ("pouring_water", "water_drops"),
    "sewing_machine": ("keyboard_typing",),
    "dishes": ("glass_break",),
    "explosion": ("fireworks", "thunder", "gun_shot"),
    "gun_shot": ("fireworks", "thunder"),
    "note": ("music", "doorbell", "telephone_ring", "notification", "church_bells"),
    "electric_hum": ("air_conditioner",),
    "street_music": ("music",),
    "tone": ("notification", "appliance_beep"),
    "sweep": ("siren", "alarm"),
    "whistle": ("bird_song", "music"),
}


def label_of(source: str) -> str:
    """The label that a data set's label is joined in; itself where no row says so."""
    return JOINED.get(source, source)


def positives(source: str, labels: Collection[str]) -> set[str]:
    """The labels that answer to a sound, the general ones (`alarm`) among them."""
    own = label_of(source)
    return {own, *(general.id for general in TABLE if own in general.parts)} & set(labels)


def unsure(source: str, labels: Collection[str]) -> set[str]:
    """The labels that the loss ignores while a sound plays."""
    own = label_of(source)
    akin = BY_ID[own].akin if own in BY_ID and own in labels else UNSURE_WITH.get(source, ())
    return set(akin) & set(labels) - positives(source, labels)
