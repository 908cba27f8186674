"""Common given names of many countries: a name before a colon is then more likely that of a speaker."""

_NAMES = """
aaron abby abdul abigail adam adele adrian ahmed aiden aisha alan alba albert alejandro alessandro alex alexa
alexander alexandra alexis alfie alfred ali alice alicia alina alison aliyah allison alma amanda amara amber
amelia amina amir amit amy ana anastasia andrea andreas andrew andy angel angela anil anita anja ann anna anne
annie anthony antonio anya aria ariana arjun arthur asha ashley astrid audrey aurora ava axel ayesha barbara bart
beatrice becky bella ben benjamin bernard beth betty bianca bill billy bjorn bob bobby brad brandon brenda brian
bridget brittany bruce bruno caleb cameron camila carl carla carlos carmen carol caroline carolyn carter catherine
cathy cecilia celia chad charles charlie charlotte chen chiara chidi chloe chris christian christina christine
christopher cindy claire clara clark claudia cody colin connor corey craig crystal cynthia daisy dan daniel
daniela danny daria darren dave david debbie deborah deepak denise dennis derek diana diane diego dmitri dominic
don donald donna doris dorothy doug douglas dylan eddie edith edward eileen elaine eleanor elena eli elias elif
elijah elisa elizabeth ella ellen ellie elsa emeka emil emily emma emre eric erica erik erika erin ernest esra
esther ethan eugene eva evan eve evelyn farah fatima felicia felix fernando finn fiona flora florence frances
francesca francis francisco frank franz fred freya frida gabriel gabriela gary gavin gemma gene george georgia
gerald gianna gina giovanni giulia gladys gloria gordon grace graham greg gregory greta guillermo gunter gus
gustav hank hanna hannah hans harold harper harriet harris harry haruto hassan hazel heather hector heidi helen
helena henrik henry hilda hiroshi holly howard huda hugh hugo hussein ian ibrahim ida igor imani ines ingrid irene
irina iris isaac isabel isabella isla ivan ivy jack jackson jacob jade jake jakob james jamie jan jane janet
janice jasmine jason javier jay jean jeff jeffrey jen jenna jennifer jenny jeremy jerry jesse jessica jill jim
jimmy jin joan joanna joe joel johan johanna johannes john johnny jon jonas jonathan jordan jorge jose josef
joseph josephine josh joshua joy joyce juan juanita judith judy julia julian juliana julie juliet jurgen justin
kai kamala karen karim karin karl kate katharina katherine kathleen kathy katie katrin katya keiko keith kelly ken
kenji kenneth kenta kevin khadija khalid kim kimberly klaus kofi kristen kristina kumar kwame kyle lakshmi lara
larry lars laura lauren layla lea leah lee leila lena leo leon leonard leonardo leslie lewis liam lidia lily lina
linda lisa liz lola lorenzo lori louis louise luca lucas lucia lucy luis luiza luka lukas luna lydia lynn maddie
madison magnus mai malik manuel marc marcel marco marcus margaret maria mariam marie marina mario marion mark
markus marta martha martin martina marvin mary mason mateo matilda matt matteo matthew maureen maurice max maya
megan mei melanie melissa mia michael michelle miguel mike mikhail mila milena miles ming miriam mitchell mohamed
mohammed molly monica monika morgan mustafa nadia nancy naomi natalia natalie natasha nathan neha neil nell nellie
neville niamh nicholas nick nicola nicole nigel nikhil nikita nina noah noel nora norman nour oksana oleg olga
oliver olivia omar oscar osman otto owen pablo paddy pam pamela pat patricia patrick paul paula paulina pauline
pavel pedro peggy penny perry pete peter petra phil philip phoebe phyllis pia piotr polly priya rachel rafael raj
rajesh ralph ramon randy raquel rashid raul ravi ray raymond rebecca regina renata rene rhys ricardo rich richard
rick rita rob robert roberta roberto robin rocio rodrigo roger roland roman ron ronald rosa rosalie rose rosie
ross roy ruby rudy russell ruth ryan sabrina sadie sakura sally salma sam samantha samir samuel sandra sandy
sanjay santiago sara sarah sasha saul scott sean sebastian sergei sergio seth shane shannon sharon shaun sheila
shirley shreya sid sidney silvia simon simone sofia sonia sonja sophia sophie stacy stan stanley stefan stefanie
stella stephanie stephen steve steven stewart stuart sue sunita susan susanna suzanne sven svetlana sylvia tamara
tanya tara tariq tatiana ted teresa terry thandi thea theo theresa thomas tiffany tim timothy tina tobias todd tom
tommy tony tracy travis trevor tyler ursula usha valentina valeria vanessa vera veronica vicky victor victoria
vijay vikram vincent viola violet virginia vivian vlad vladimir walter wanda wayne wei wendy werner will william
willow wolfgang xavier yara yasmin yasmine yolanda yuki yuri yusuf yvonne zach zachary zahra zara zeynep zoe
"""
GIVEN_NAMES = frozenset(_NAMES.split())

__all__ = ["GIVEN_NAMES"]
