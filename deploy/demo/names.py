"""Names and places the invented students are made of. None is a real person's."""

from typing import Final

SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
COMPOUND_SURNAMES: Final = ("欧阳", "上官", "司徒", "诸葛", "尉迟", "慕容")
GIVEN_FEMALE: Final = "婉清若彤思琪雨桐梦瑶静怡欣妍晓岚芷晴语嫣诗涵雅楠佳宁书瑶曼青"
GIVEN_MALE: Final = "浩然子墨宇航俊杰一鸣志远文博明轩立诚嘉树景行怀瑾承泽鹏程建国思源"
RARE: Final = "䶮㛃𠮷𬭚𬬻𫖯喆玥堃翀"
"""Characters in today's names that common fonts lack, four of them outside the Basic Multilingual Plane."""

LONG_NAMES: Final = ("古丽努尔·阿卜杜热合曼", "扎西·次仁旺堆", "Dinara Aitkulova", "Nguyễn Thị Minh Khai-Anh")
"""Names that break a layout made for three characters."""

COLLEGES: Final = (
    ("矿业工程学院", ("采矿工程", "矿物资源工程", "交通运输工程")),
    ("安全工程学院", ("安全科学与工程", "消防工程")),
    ("机电工程学院", ("机械工程", "车辆工程", "仪器科学与技术")),
    ("信息与控制工程学院", ("控制科学与工程", "信息与通信工程", "人工智能")),
    ("计算机科学与技术学院", ("计算机科学与技术", "软件工程", "网络空间安全")),
    ("环境与测绘学院", ("测绘科学与技术", "环境科学与工程")),
    ("经济管理学院", ("工商管理", "应用经济学", "会计")),
    ("外国语言文化学院", ("英语语言文学", "翻译")),
    ("马克思主义学院", ("马克思主义理论",)),
)

CAMPUSES: Final = (
    ("南湖校区", ("梅苑1楼", "梅苑3楼", "竹苑2楼", "杏苑5楼")),
    ("文昌校区", ("学生公寓4号楼", "学生公寓7号楼", "博士生公寓")),
)
HANDLERS: Final = ("周管理", "秦管理", "施管理")

BOOKS: Final = (
    "矿山压力与岩层控制",
    "现代控制理论",
    "岩石力学",
    "统计学习方法",
    "高等渗流力学",
    "红楼梦",
    "科技论文写作",
    "爆破安全规程（第三版）：露天与地下工程",
)
CHARGES: Final = (
    ("学费", "8000.00"),
    ("住宿费", "1200.00"),
    ("代收取暖费", "72.40"),
    ("体检费", "60.00"),
    ("教材费", "550.00"),
)
FINES: Final = (("图书超期 35 天", "3.50"), ("图书超期 120 天", "12.00"), ("图书污损赔偿", "48.60"))
VIOLATIONS: Final = ("在书上涂写", "占座超过两小时", "带食物进入阅览室")
