package mailbody

import "strings"

// words are what people and applications write in mail, the most frequent first.
var words = strings.Fields(`
the to and of your you for is in we a this on be with our that it are as will have not or by please from can if at
has order any was us an all been date time number
account invoice payment delivery customer address service message team before after today tomorrow week month still
only when which there their they also about into more than each other first last next new no do so but out up may
would should could must request ticket report server system update change support office contact details attached
document contract amount total price item quantity package shipment courier warehouse stock confirm confirmed
received sent paid open closed due overdue reminder appointment meeting schedule calendar room floor printer network
password access user login security backup failed completed started stopped error warning disk memory process
application version release test production database connection certificate expires renewed available unavailable
maintenance planned window between hours minutes Monday Tuesday Wednesday Thursday Friday morning afternoon evening
regards sincerely thanks hello dear
everyone colleague manager director department accounting sales purchasing marketing human resources engineering
quality control production line machine part spare supplier manufacturer catalogue offer discount percent tax
net gross currency bank transfer reference purpose balance statement quarter annual budget forecast cost revenue
margin project milestone deadline task owner status progress risk issue decision approval signature copy original
draft final review comment feedback question answer reply forward subject attachment folder file page line table
column figure chart summary summarise increase decrease compare measure average highest lowest roughly exactly
because although however therefore meanwhile instead unless until since whether either neither both several many
few most least enough already again soon later early late quickly slowly carefully directly probably certainly
travel flight hotel train station ticket passenger booking reservation guest breakfast parking taxi airport gate
luggage insurance claim policy damage accident repair garage vehicle driver licence plate kilometre route traffic
school teacher pupil class lesson course exam result grade parent child family doctor practice patient
prescription medicine laboratory sample blood pressure therapy clinic emergency ward nurse visit treatment
kitchen garden window door roof heating water electricity gas meter reading consumption tariff supplier bill
landlord tenant rent deposit key handover cleaning neighbour building elevator staircase basement light switch cable
colour green yellow orange purple silver wooden metal plastic leather cotton shirt shoes jacket trousers size large
medium small heavy light narrow wide bright dark quiet loud clean broken missing wrong correct valid invalid unknown`)

// names are those of people.
var names = strings.Split("Anna Mueller,Jonas Weiss,Priya Raman,Tomas Herrera,Grace Okafor,Liam O'Connor,"+
	"Chloe Bernard,Yuki Tanaka,Soren Holm,Elif Yilmaz,Marta Kowalska,Fatima Haddad,David Goldberg,Mei Chen", ",")
