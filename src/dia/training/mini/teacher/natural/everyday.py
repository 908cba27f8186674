"""Everyday lines with numbers, dates, times, money and names, as a user would type them, and short answers."""

import random
import re
from collections.abc import Callable, Sequence

MONTHS = (
    "January February March April May June July August September October November December".split()
)
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
PLACES = (
    "London Paris Boston Chicago Dublin Denver Berlin Madrid Rome Tokyo Sydney Toronto Oslo Lisbon Vienna Dallas "
    "Seattle Glasgow Bristol Leeds York Houston Atlanta Portland Austin Florida Texas Canada Ireland Spain Norway"
).split()
THINGS = (
    "apples books chairs tickets letters cups rooms boxes bottles pages seats windows keys photos messages questions "
    "people children guests students workers players visitors coins stamps eggs bags shoes plates cars bikes trees"
).split()
UNITS = ("km", "kg", "miles", "metres", "cm", "feet", "litres", "pounds", "degrees", "%", "percent")
SPANS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")

LINES = (
    "I was born on {month} {day}, {year}.",
    "The meeting is on {weekday}, {month} {ordinal}, at {time}.",
    "We met in {year} in {place}.",
    "It's {time} already!",
    "The train to {place} leaves at {time} from platform {small}.",
    "That will be {money}, please.",
    "It costs {money} per person.",
    "She paid {money} for {number} {things}.",
    "My number is {phone}.",
    "Call {phone} and ask for {name}.",
    "There were {number} {things} in {place}.",
    "Only {number} {things} are left.",
    "It is {number} {unit} long.",
    "About {percent} of the {things} came from {place}.",
    "Room {number}, on the {ordinal} floor.",
    "The answer is {number}.",
    "He ran {decimal} miles in {small} {span}.",
    "Turn to page {number} and read line {small}.",
    "Flight {number} to {place} is delayed by {small} {span}.",
    "The temperature fell to {small} degrees on {weekday}.",
    "{name} is {age} years old and lives in {place}.",
    "{name} and {name} are coming on {weekday}.",
    "Have you seen {name} today?",
    "My name is {name}. What's yours?",
    "Good morning, {name}.",
    "Is {name} from {place}?",
    "Dr. {name} will see you at {time}.",
    "Mr. {name} called at {time}, and Mrs. {name} at {time}.",
    "This is {name} speaking.",
    "Thank you, {name}, see you on {weekday}.",
    "From {year} to {year} they lived in {place}.",
    "{date} is the last day.",
    "Can you come at {time} or at {time}?",
    "How much is {money} plus {money}?",
    "{small} plus {small} is {number}.",
    "The score was {small} to {small}.",
    "It weighs {decimal} kg.",
    "We need {number} more {things} by {month} {ordinal}.",
    "Version {decimal} came out in {year}.",
    "The code is {digits}.",
    "She came {ordinal} out of {number}.",
    "Chapter {small}: the road to {place}.",
    "I'll be there in {small} {span}.",
    "Between {number} and {number} {things}, I think.",
    "He turned {age} on {weekday}.",
    "Take the number {small} bus, then walk for {small} {span}.",
    "{name}, {name} and {name} all voted for {place}.",
    "The population of {place} grew to {large} in {year}.",
    "{large} {things}? That can't be right.",
    "Set the alarm for {time}.",
    "1, 2, 3, go!",
    "{number}",
    "{time}",
    "{money}",
    "{month} {ordinal}",
    "{year}",
    "{name}",
    "{place}",
)
ANSWERS = (
    "Yes|No|Maybe|Of course|Of course not|Certainly|Not yet|Not at all|Never|Always|Sometimes|Often|Later|Now|Soon|"
    "Right away|Thank you|Thanks a lot|You're welcome|No problem|I see|I know|I don't know|I think so|I don't think so|"
    "I hope so|I hope not|Sure|Okay|All right|Fine|Great|Good idea|Sounds good|Exactly|Absolutely|Definitely|Probably|"
    "Possibly|Perhaps|Really|Is that so|Who knows|Why not|Me too|Neither do I|So do I|Wait a minute|Hold on|Come on|"
    "Let's go|Well done|Congratulations|I'm sorry|Excuse me|Pardon|What|Who|Where|When|How|Why|Which one|How much|"
    "How many|How far|How long|Says who|What for|Since when|Good morning|Good evening|Good night|Goodbye|See you|"
    "See you tomorrow|Take care|Hello|Hi there|Hey|Welcome|Nice to meet you|Likewise|Same here|That's right|That's true|"
    "That's wrong|That depends|It depends|It's fine|It's over|It works|It doesn't matter|Never mind|Forget it|Be careful|"
    "Look out|Stop|Listen|Look|Over there|Right here|Up and down|Left|Right|Straight ahead|Nothing|Everything|Everyone|"
    "Nobody|Somebody|Anything else|Nothing much|Not really|More or less|Almost|Nearly|Quite|Barely|Fair enough|"
    "My pleasure|With pleasure|As you like|If you say so|You too|After you|Come in|Sit down|Stand up|Go ahead|Go away|"
    "Leave it|Try again|Once more|One moment|Just a second|Cheers|Bless you|Happy birthday|Good luck|Enjoy|Wow|Oh|Ah|"
    "Oh no|Oh well|Oh dear|Well|Hmm|Ouch|Yeah|Yep|Nope|Uh huh"
).split("|")
OPENINGS = ("Well", "Oh", "Yes", "No", "Okay", "Right", "Look", "Listen", "So", "Hey", "Please", "Honestly", "Sorry")


def line(rng: random.Random, names: Sequence[str]) -> str:
    """A line with digits, dates or names."""
    return re.sub(r"\{(\w+)\}", lambda slot: _SLOTS[slot[1]](rng, names), rng.choice(LINES))


def answer(rng: random.Random, names: Sequence[str]) -> str:
    """A short answer of one to about six words."""
    words = rng.choice(ANSWERS)
    fate = rng.random()
    if fate < 0.25:
        words = f"{rng.choice(OPENINGS)}, {_lower(words)}"
    elif fate < 0.45:
        words = f"{words}, {rng.choice(names)}"
    elif fate < 0.6:
        words = f"{words}. {rng.choice(ANSWERS)}"
    asking = re.match(r"(who|what|where|when|how|why|which|is|says|since|really|pardon)\b", words.lower())
    return words + ("?" if asking else rng.choice("...!"))


def _lower(words: str) -> str:
    return words if re.match(r"I\b|I'", words) else words[0].lower() + words[1:]


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _number(rng: random.Random) -> int:
    return rng.randrange(10 ** rng.choice((1, 2, 2, 3, 3, 4)))


def _money(rng: random.Random) -> str:
    amount = f"{rng.choice('$$$€£')}{_number(rng):,}"
    return f"{amount}.{rng.randrange(100):02d}" if rng.random() < 0.5 else amount


def _time(rng: random.Random) -> str:
    hour, minute = rng.randint(1, 12), rng.choice((0, 5, 10, 15, 20, 25, 30, 40, 45, 50, rng.randrange(60)))
    return rng.choice(
        (f"{hour}:{minute:02d}", f"{hour}:{minute:02d} {rng.choice(('am', 'pm'))}", f"{hour} o'clock", f"{hour} pm")
    )


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randrange(12), rng.randint(1800, 2035)
    return rng.choice(
        (f"{MONTHS[month]} {day}, {year}", f"{month + 1}/{day}/{year}", f"{_ordinal(day)} of {MONTHS[month]}")
    )


def _phone(rng: random.Random) -> str:
    digits = [rng.randrange(1, 10) for _ in range(7)]
    return "{}{}{}-{}{}{}{}".format(*digits)


_SLOTS: dict[str, Callable[[random.Random, Sequence[str]], str]] = {
    "month": lambda rng, names: rng.choice(MONTHS),
    "weekday": lambda rng, names: rng.choice(DAYS),
    "day": lambda rng, names: str(rng.randint(1, 31)),
    "ordinal": lambda rng, names: _ordinal(rng.randint(1, 31)),
    "year": lambda rng, names: str(rng.randint(1700, 2040)),
    "time": lambda rng, names: _time(rng),
    "date": lambda rng, names: _date(rng),
    "money": lambda rng, names: _money(rng),
    "number": lambda rng, names: f"{_number(rng):,}",
    "small": lambda rng, names: str(rng.randint(1, 30)),
    "age": lambda rng, names: str(rng.randint(2, 99)),
    "large": lambda rng, names: f"{rng.randrange(10_000, 9_999_999):,}",
    "decimal": lambda rng, names: f"{rng.randrange(100)}.{rng.randrange(1, 10)}",
    "percent": lambda rng, names: f"{rng.randint(1, 100)}%",
    "digits": lambda rng, names: "-".join(str(rng.randrange(10)) for _ in range(rng.randint(3, 6))),
    "phone": lambda rng, names: _phone(rng),
    "unit": lambda rng, names: rng.choice(UNITS),
    "span": lambda rng, names: rng.choice(SPANS),
    "things": lambda rng, names: rng.choice(THINGS),
    "place": lambda rng, names: rng.choice(PLACES),
    "name": lambda rng, names: rng.choice(names),
}
