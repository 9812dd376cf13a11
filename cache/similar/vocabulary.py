"""Words that decide what is asked, Chinese and English, by what they say. Each line: its name, a colon, its forms.

Forms of one name are taken for the same. What stands in no list is a word of its own and must be in both texts, so
a missing word costs a hit, and a wrong one an answer: only what means the same in any shop stands here.
"""

from __future__ import annotations

VERBS = """
cancel: cancel|cancels|cancelled|canceled|cancelling|canceling|cancellation|取消|撤销|撤单
unsubscribe: unsubscribe|unsubscribing|退订
open: open|opens|opened|opening|开通|开启|打开|开立|开户
close: close|closes|closed|closing|关闭|关|注销|销户|关掉
create: create|creates|created|creating|创建|新建
register: register|registers|registered|registering|registration|sign up|signing up|注册
login: log in|logging in|login|sign in|signing in|登录|登陆|登入
logout: log out|logging out|logout|sign out|signing out|退出登录|登出
change: change|changes|changed|changing|modify|modifying|modified|edit|editing|alter|修改|更改|更换|变更|改|改一下|改动
update: update|updates|updated|updating|更新
exchange: exchange|exchanges|exchanged|exchanging|swap|换货|调换
refund: refund|refunds|refunded|refunding|money back|退款|退钱|退费
return: return|returns|returned|returning|send back|退货|退回|寄回
buy: buy|buys|bought|buying|ordered|ordering|purchase|purchased|purchasing|购买|买|下单|订购
sell: sell|selling|sold|出售|卖
pay: pay|pays|paid|paying|payment|payments|付款|支付|付钱|缴费|付
repay: repay|repaying|repayment|pay back|paying back|还款
charge: charge|charges|charged|charging|扣款|扣费|扣钱
recharge: recharge|top up|topping up|充值
withdraw: withdraw|withdrawing|withdrawal|提现
deposit: deposit|deposits|deposited|depositing|存款|存入
cashwithdrawal: 取款
transfer: transfer|transfers|transferred|transferring|转账
assign: 转让|过户
ship: ship|ships|shipped|shipping|dispatch|dispatched|发货|寄出|发出
deliver: deliver|delivers|delivered|delivering|delivery|送货|配送|送达|派送|派件
arrive: arrive|arrives|arrived|arriving|到货|到达|送到
receive: receive|receives|received|receiving|收到|签收|收货
track: track|tracks|tracked|tracking|追踪|跟踪
check: check|checking|look up|查询|查看|查|查一下|查查
find: find|finding|找到|查找|找
lose: lose|losing|lost|丢失|丢了|弄丢|遗失|丢
forget: forget|forgot|forgotten|忘记|忘了|忘
reset: reset|resets|resetting|重置|重设
recover: recover|recovered|recovering|找回
verify: verify|verifying|verified|verification|验证|认证|核实
activate: activate|activated|activating|activation|激活|启用
enable: enable|enables|enabled|enabling|turn on|turning on|switch on
disable: disable|disables|disabled|disabling|turn off|turning off|switch off|停用|禁用
upgrade: upgrade|upgrades|upgraded|upgrading|升级
downgrade: downgrade|downgrades|downgraded|downgrading|降级
renew: renew|renews|renewed|renewing|renewal|续费|续订|续期|续约
subscribe: subscribe|subscribing|订阅
pause: pause|pausing|paused|suspend|suspending|暂停
resume: resume|resuming|恢复
freeze: freeze|freezing|frozen|冻结
unfreeze: unfreeze|解冻
block: block|blocked|blocking|拉黑|屏蔽
ban: ban|banned|封号
unblock: unblock|unblocked|unblocking|解封
lock: lock|locked|locking|锁定|锁
unlock: unlock|unlocked|unlocking|解锁
bind: bind|binding|link|linking|linked|绑定|关联
unbind: unbind|unlink|unlinking|disconnect|disconnecting|解绑
add: add|adds|added|adding|添加|增加|新增|加
remove: remove|removes|removed|removing|delete|deletes|deleted|deleting|删除|移除|删掉|删
download: download|downloads|downloaded|downloading|下载
upload: upload|uploads|uploaded|uploading|上传
install: install|installs|installed|installing|installation|安装
uninstall: uninstall|uninstalled|uninstalling|卸载
repair: repair|repairs|repaired|repairing|fix|fixed|fixing|维修|修理|修
replace: replace|replaces|replaced|replacing|replacement|换新
use: use|uses|used|using|使用|用
redeem: redeem|redeemed|redeeming|兑换
apply: apply|applies|applied|applying|application|request|requested|requesting|申请
appeal: appeal|appealing|申诉
complain: complain|complaint|complaints|complaining|投诉
report: report|reported|reporting|举报
contact: contact|contacting|reach|联系
speak: speak|speaking|talk|talking|speak to|talk to
book: book|booked|booking|reserve|reserved|reservation|预订|预约|预定
reschedule: reschedule|rescheduled|rescheduling|改期|改约|改签
expire: expire|expires|expired|expiring|expiration|expiry|到期|过期
extend: extend|extends|extended|extending|extension|延长|延期
issue: issue|issued|issuing|开具|开|开出
print: print|printing|打印
accept: accept|accepts|accepted|accepting|接受
support: support|supports|supported|支持
increase: increase|increases|increased|increasing|raise|raising|提高|提升|提额|增大
decrease: decrease|decreases|decreased|decreasing|reduce|reducing|lower|lowering|降低|减少|下调
send: send|sends|sent|sending|发送|寄|发
refuse: refuse|refuses|refused|reject|rejected|deny|denied|decline|declined|拒绝|拒收
fail: fail|fails|failed|failing|failure|失败
work: work|works|worked|working
break: break|broke|broken|breaking|坏|坏了|损坏|破损
crash: crash|crashes|crashed|crashing|闪退|崩溃
combine: combine|combining|merge|merging|合并|合并发货
split: split|splitting|分开|拆分
compare: compare|comparing|对比|比较
borrow: borrow|borrowing|借款|借
earn: earn|earned|earning|获得|赚
share: share|shared|sharing|分享|共享
"""

THINGS = """
order: order|orders|订单|单子
parcel: parcel|parcels|package|packages|包裹|快递|快件
invoice: invoice|invoices|发票|开票
receipt: receipt|receipts|收据|小票
password: password|passwords|passcode|密码
username: username|user name|用户名
account: account|accounts|账号|账户|帐号|帐户
address: address|addresses|地址
phone: phone|phones|手机
phonenumber: phone number|telephone number|mobile number|手机号|手机号码
email: email|emails|e-mail|邮件|电子邮件
mailbox: email address|邮箱|邮箱地址|电子邮箱
card: card|cards|卡
bankcard: bank card|银行卡
creditcard: credit card|credit cards|信用卡
debitcard: debit card|借记卡|储蓄卡
giftcard: gift card|gift cards|礼品卡
coupon: coupon|coupons|voucher|vouchers|优惠券|券|代金券|抵用券
points: points|积分
membership: membership|member|会员|会员资格
subscription: subscription|subscriptions
plan: plan|plans|套餐|方案
balance: balance|余额
bill: bill|bills|账单
limit: limit|额度|限额
fee: fee|fees|费用
handlingfee: handling fee|手续费
freight: shipping fee|shipping fees|shipping cost|shipping costs|delivery fee|delivery cost|shipping charge|postage|运费|邮费|配送费
price: price|prices|cost|costs|价格|价钱|售价
size: size|sizes|尺寸|尺码|大小
colour: color|colour|colors|colours|颜色
warranty: warranty|guarantee|保修|质保|保修期
stock: stock|in stock|有货|库存|现货
shop: shop|store|shops|stores|门店|实体店
staff: agent|human agent|real person|human|a person|representative|customer service|人工|人工客服|真人|客服
hotline: hotline|service number|客服电话|热线
hours: opening hours|business hours|working hours|营业时间|工作时间|上班时间
code: verification code|验证码
trackingnumber: tracking number|单号|快递单号|物流单号|运单号
logistics: 物流|物流信息
discount: discount|discounts|promotion|折扣|优惠|打折
trial: trial|free trial|试用
app: app|软件|应用
website: website|site|网站|官网
contract: contract|contracts|合同
tax: tax|taxes|税
installment: installment|installments|instalment|instalments|分期|分期付款
data: data|数据
name: name|姓名|名字
nickname: nickname|昵称
photo: photo|photos|picture|pictures|照片|图片
device: device|devices|设备
goods: item|items|product|products|goods|商品|产品|东西|货
money: money|钱
ticket: ticket|tickets|票
loan: loan|loans|贷款
free: free|free of charge|免费|不要钱
wrong: wrong|incorrect|错|错了|错误|有误
status: status|状态|进度
history: history|records|记录
notification: notification|notifications|通知
"""

QUESTIONS = """
how: how|how to|how do i|how do you|how does one|how can i|how could i|how should i|how would i|what is the way to|what's the way to|what is the best way to|what's the best way to|what are the steps to|what is the process for|what's the process for|what do i do to|what do i need to do to|what should i do to|in what way|怎么|怎样|如何|咋|咋样|怎么才能|怎样才能|如何才能|怎么能|怎么去|怎么操作|如何操作|怎么弄|怎么样才能|流程|步骤|方法|流程是什么|步骤是什么|流程是怎样的
whattodo: what should i do|what do i do|what can i do|what now|怎么办|咋办|该怎么办|怎么处理|如何处理
why: why|how come|for what reason|what is the reason|what's the reason|为什么|为何|为啥|怎么会|怎么回事|凭什么|什么原因|原因
when: when|什么时候|何时|几时|啥时候
whattime: what time|几点
whichday: what day|which day|on what date|哪天|哪一天|几号
whichmonth: which month|几月
howlong: how long|how many days|how much time|多久|多长时间|几天|多少天|要多久|需要多久|多少时间
howsoon: how soon
howmanyhours: how many hours|几个小时|几小时
howmanyworkdays: how many business days|how many working days|几个工作日
since: since when|从什么时候
howoften: how often|多久一次
howmanytimes: how many times|几次|多少次
howmuch: how much|how much does it cost|what does it cost|how expensive|多少钱|几块钱|什么价|怎么卖|怎么收费|多少
howmany: how many|几个|多少个
howmanysheets: 几张|多少张
howmanyitems: 几件|多少件
howmanysets: 几台|多少台
howmanypeople: how many people|几位|几人|多少人
howfar: how far|多远
where: where|in which place|哪里|哪儿|在哪|在哪里|在哪儿|何处|什么地方|到哪了|到哪里了|哪
whereto: 到哪|到哪里|去哪|去哪里
who: who|whom|whose|谁|谁的|什么人
which: which|哪个|哪种|哪些|哪款|哪家|哪一个|哪几
what: what|what's|whats|什么|啥|什么是|是什么|是啥
howis: how is|how's|how are|怎么样|怎样了|如何了
whether: whether|是否|吗|么|否|⁇
or: or|or not|还是|或者|或
"""

NEGATIONS = """
not: not|no|don't|doesn't|isn't|aren't|ain't|dont|doesnt|isnt|不|不是
notdid: didn't|didnt|没|没有|未
notwas: wasn't|weren't
notyet: haven't|hasn't|hadn't|not yet|尚未|还没|还没有
notwill: won't|wont
notwould: wouldn't
notshould: shouldn't
notmust: mustn't
donot: 别|勿|不要
cannot: cannot|can't|cant|couldn't|unable|unable to|not able to|impossible|无法|不能|不可以|不可|不了|不到|不上|不出|不开|没法|没办法
never: never|从不|从来不|从来没
without: without|无|不用|不带
nomore: no longer|不再
"""

MODALITIES = """
ability: can|could|able to|be able to|is it possible to|possible to|allowed to|能|能够|可以|可|能否|可否|允许
obligation: must|have to|has to|had to|need|needs|need to|required|necessary|mandatory|必须|需要|需|务必|一定要|非得
advice: should|ought to|supposed to|应该|该|应当
future: will|going to|gonna|shall|将要|即将|会
past: did|was|were|had|has been|have been|been
already: already|已经|已
justnow: 刚才|刚刚
done: 了
would: would
may: may
might: might
condition: if|in case|如果|要是|假如|若|万一
unless: unless|除非
again: again|再次|重新|再|又
"""

PERSONS = """
second: you|your|yours|you guys|你|你们|您|你的|你们的|您的|贵司|贵公司
he: he|him|his|他|他的
she: she|her|hers|她|她的
they: they|them|their|theirs|他们|她们|他们的
"""

TIMES = """
today: today|today's|今天|今日
sameday: same day|当天|当日
tomorrow: tomorrow|tomorrow's|明天|明日
yesterday: yesterday|yesterday's|昨天|昨日
dayafter: day after tomorrow|后天
daybefore: day before yesterday|前天
now: now|right now|currently|at the moment|现在|目前|当前
atonce: immediately|right away|at once|马上|立即|立刻
tonight: tonight|今晚
morning: morning|上午|早上|早晨
noon: noon|中午
afternoon: afternoon|下午
evening: evening|night|晚上|夜里|夜间
thisweek: this week|本周|这周|这个星期|这星期
nextweek: next week|下周|下个星期|下星期
lastweek: last week|上周|上个星期|上星期
thismonth: this month|本月|这个月|当月
nextmonth: next month|下月|下个月
lastmonth: last month|上月|上个月
thisyear: this year|今年|本年
nextyear: next year|明年
lastyear: last year|去年
weekday: weekday|weekdays|workday|workdays|business day|business days|working day|working days|工作日
weekend: weekend|weekends|周末
holiday: holiday|holidays|public holiday|public holidays|节假日
w1: monday|mondays|周一|星期一|礼拜一
w2: tuesday|tuesdays|周二|星期二|礼拜二
w3: wednesday|wednesdays|周三|星期三|礼拜三
w4: thursday|thursdays|周四|星期四|礼拜四
w5: friday|fridays|周五|星期五|礼拜五
w6: saturday|saturdays|周六|星期六|礼拜六
w7: sunday|sundays|周日|周天|星期天|星期日|礼拜天
m1: january|jan
m2: february|feb
m3: march
m4: april|apr
m6: june|jun
m7: july|jul
m8: august|aug
m9: september|sept|sep
m10: october|oct
m11: november|nov
m12: december|dec
recently: recently|lately|最近|近期
monthly: monthly|per month|a month|each month|every month|每月|每个月
bymonth: 包月|月付|按月
yearly: yearly|annual|annually|per year|a year|each year|every year|每年
byyear: 包年|年付|按年
weekly: weekly|per week|every week|每周
daily: daily|a day|each day|per day|every day|每天|每日
"""

UNITS = """
yuan: yuan|rmb|cny|¥|元|块|块钱|人民币
dollar: dollar|dollars|usd|$|美元|美金|刀
euro: euro|euros|eur|€|欧元
pound: gbp|£|英镑
yen: yen|jpy|日元
hkd: hkd|港币|港元
percent: percent|%|％
second: seconds|secs|秒
minute: minute|minutes|mins|min|分钟
hour: hour|hours|hrs|小时|个小时|钟头
day: day|days|天
mday: 日|号
week: week|weeks|星期|周|个星期
month: month|months|个月
monthname: 月|月份
year: year|years|yr|年
oclock: o'clock|点|点钟|时
kg: kg|kilogram|kilograms|kilo|kilos|公斤|千克
jin: 斤
gram: gram|grams|克
mb: mb|megabytes|兆
gb: gb|gigabytes
tb: tb
cm: cm|厘米
metre: m|meter|meters|metre|metres|米
km: km|公里|千米
piece: 个|件|只|pieces|pcs
person: 人|位|名|people|persons
times: times|次|遍|回
tens: 折
level: 级|等级
"""

RELATIONS = """
from: from|从
within: within|之内|以内|内
into: into|换成|改成|改为|变成|换为|成为|转成
than: than|比
before: before|之前|以前|前
after: after|之后|以后|后
instead: instead|instead of|rather than|而不是|代替
between: between|versus|vs|之间
by: by|被
give: 给
first: 先
"""

STOP_WORDS = """
a|an|the|i|i'm|i've|i'd|i'll|me|my|mine|myself|we|our|us|this|that|these|those|there|here|is|are|am|be|being|it|it's|its|do
does|of|about|and|just|really|very|so|please|any|some|get|getting|got|make|making|have|having|has|want|wants|wanted|like|wish
regarding|concerning|would like to|would like|i'd like to|want to|like to|wanna
"""
"""English words without a say. Prepositions have one: pay with a gift card, pay for a gift card."""

STOP_CHINESE = """
的|我|我们|咱|咱们|是|在|有|要|想|想要|我要|把|将|就|啊|呀|嘛|哦|哈|得|地|这|那|这个|那个|里|关于|一下|一些|的话|时|时候|请
"""
"""Chinese ones, where they stand by themselves."""

PAST = frozenset(
    ["paid", "sent", "sold", "bought", "lost", "forgot", "forgotten", "frozen", "broke", "broken", "withdrew"]
)
"""Forms of the verbs above that tell of the past and don't end in -ed."""
