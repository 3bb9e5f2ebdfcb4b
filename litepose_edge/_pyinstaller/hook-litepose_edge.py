"""What PyInstaller adds to an application that imports litepose_edge."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("litepose_edge")
